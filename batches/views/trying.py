"""A few cards of a draft, read before anything is started."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_POST, require_safe

from batches.actions import trying as actions
from batches.actions.drafts import Refused
from batches.live import fragments
from batches.live.fragments import Viewer
from batches.models import Batch, TryCard
from batches.queries import rights, trying
from batches.views.results import editable, may, visible
from cardocr_site.accounts.requests import SignedInRequest

PER_PAGE = 60
LONGEST = 18  # digits of a key


@require_POST
@login_required
def batch_try(request: SignedInRequest, pk: int) -> HttpResponse:
    """Have cards read: those that were ticked, or some from the whole batch."""
    batch = editable(request, pk)
    problem = ""
    try:
        actions.ask(batch, request.user, _chosen(request, batch))
    except Refused as refused:
        problem = str(refused)
    return _answer(request, batch, problem)


def _chosen(request: SignedInRequest, batch: Batch) -> list[int]:
    if "same" in request.POST:
        return list(TryCard.objects.filter(tryout__batch=batch).values_list("card", flat=True))
    sent = request.POST.getlist("card")
    return [int(one) for one in sent if one.isascii() and one.isdigit() and len(one) <= LONGEST]


@require_POST
@login_required
def batch_try_stop(request: SignedInRequest, pk: int) -> HttpResponse:
    batch = editable(request, pk)
    try:
        actions.give_up(batch)
    except Refused as refused:
        return _answer(request, batch, str(refused))
    return _answer(request, batch)


def _answer(request: SignedInRequest, batch: Batch, problem: str = "") -> HttpResponse:
    if request.htmx.target == "try-on":
        batch = visible(request, batch.pk)
        viewer = Viewer("fields", get_language() or "", rights.of(request.user, batch))
        return HttpResponse(fragments.try_on(batch, viewer, problem), status=409 if problem else 200)
    if problem:
        messages.error(request, problem)
    return redirect(f"{reverse('batch_fields', args=[batch.pk])}#try-on")


@require_safe
@login_required
def batch_try_cards(request: SignedInRequest, pk: int) -> HttpResponse:
    """Thumbnails, of which a few are ticked."""
    batch = visible(request, pk)
    if not batch.is_draft:
        return redirect("batch_fields", pk)
    page = Paginator(trying.readable(batch), PER_PAGE).get_page(request.GET.get("page"))
    ticked = set(TryCard.objects.filter(tryout__batch=batch).values_list("card", flat=True))
    context = {
        "batch": batch,
        **may(request, batch),
        "page": page,
        "ticked": ticked,
        "elsewhere": sorted(ticked - {card.pk for card in page}),
        "number": trying.CARDS,
    }
    return render(request, "batches/batch_try.html", context)
