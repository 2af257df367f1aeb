"""What preparation has found on the scans of a draft: those that look alike, blank ones, which way up they are."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from batches.actions import cards as card_actions
from batches.actions import drafts, scans, turning
from batches.changes import TransitionRefused
from batches.forms import ScansForm
from batches.models import Batch
from batches.queries import preparing
from batches.queries.asked import whole_number
from batches.views import uploads
from batches.views.results import card_of, editable, may, visible
from cardocr_site.accounts.requests import SignedInRequest


@require_safe
@login_required
@never_cache
def batch_alike(request: SignedInRequest, pk: int) -> HttpResponse:
    """Scans of a draft that look alike, side by side."""
    batch = visible(request, pk)
    if not batch.is_draft:
        return redirect("batch_detail", pk)
    number = preparing.undecided(batch).count()
    pairs = preparing.pairs(batch)
    context = {
        "batch": batch,
        **may(request, batch),
        "pairs": pairs,
        "number": number,
        "more": number - len(pairs),
    }
    return render(request, "batches/batch_alike.html", context)


@require_POST
@login_required
def alike_decide(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """Keep both, or take the card named `out` out."""
    batch = editable(request, pk)
    card = get_object_or_404(batch.cards.select_related("likeness"), pk=card_pk)
    out = request.POST.get("out", "")
    try:
        if out:
            pair = {str(card.pk), str(card.likeness.like_id)} if hasattr(card, "likeness") else set()
            if out not in pair:
                messages.error(request, _("This pair is not there any more."))
                return redirect("batch_alike", pk)
            taken = get_object_or_404(batch.cards, pk=out)
            drafts.remove_cards(batch, [taken], request.user)
            messages.success(request, _("“%(file)s” is taken out.") % {"file": taken.display_name})
        else:
            scans.keep_both(batch, card.pk)
            messages.success(request, _("Both stay."))
    except drafts.BatchLocked as locked:
        messages.error(request, str(locked))
    return redirect("batch_alike", pk)


@require_POST
@login_required
def batch_scans(request: SignedInRequest, pk: int) -> HttpResponse:
    """How the scans of a draft are prepared."""
    batch = editable(request, pk)
    form = ScansForm(batch, request.POST)
    problem = ""
    if form.is_valid():
        try:
            scans.set_options(batch, form.options(), request.user)
        except drafts.BatchLocked as locked:
            problem = str(locked)
    if request.htmx:
        context = {"form": form, "problem": problem, "target": "said-scans"}
        response = render(request, "_said.html", context, status=422 if form.errors else 409 if problem else 200)
        response["HX-Trigger"] = "scans-changed"
        return response
    if problem or form.errors:
        messages.error(request, problem or _("Choose one of the ways that are offered."))
    else:
        messages.success(request, _("Saved."))
    return redirect("batch_upload", pk)


@require_POST
@login_required
def card_turn(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """Turn the front of a card, or its back, by 90, 180 or 270 degrees clockwise."""
    batch = editable(request, pk)
    card = card_of(batch, card_pk)
    degrees = whole_number(request.POST.get("by"), digits=3)
    try:
        turning.turn(card, -1 if degrees is None else degrees, request.user, back="back" in request.GET)
    except TransitionRefused:
        messages.error(request, _("This card cannot be turned now."))
    return _back(request, batch, card_pk)


@require_POST
@login_required
def card_not_blank(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """A scan that was taken for blank is read."""
    batch = editable(request, pk)
    try:
        card_actions.read_after_all(card_of(batch, card_pk), request.user)
    except TransitionRefused:
        messages.error(request, _("This card cannot be changed now. The page shows how it stands."))
    return _back(request, batch, card_pk)


@require_POST
@login_required
def blank_read(request: SignedInRequest, pk: int) -> HttpResponse:
    """All scans that were taken for blank are read."""
    batch = editable(request, pk)
    number = scans.read_blank(batch, request.user)
    said = ngettext("%(n)s scan is read after all.", "%(n)s scans are read after all.", number)
    messages.success(request, said % {"n": number})
    return redirect("batch_upload" if batch.is_draft else "batch_results", pk)


def _back(request: SignedInRequest, batch: Batch, card_pk: int) -> HttpResponse:
    if not batch.is_draft:
        return redirect("card_detail", batch.pk, card_pk)
    if request.htmx.target == "scans":
        batch.refresh_from_db()
        return uploads.again(request, batch)
    return redirect("batch_upload", batch.pk)
