"""Several entries on a card: each behind the first has a form of its own; the others are buttons."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import trigger_client_event

from batches.actions import entries
from batches.actions.cards import EditConflict
from batches.changes import TransitionRefused
from batches.models import Card
from batches.queries import grid, results
from batches.views.cards import LONGEST, number, saved_row
from batches.views.results import card_of, correctable
from cardocr_site.accounts.models import User
from cardocr_site.accounts.requests import SignedInRequest

ACTS: dict[str, Callable[[Card, User, int, int], Card]] = {
    "up": lambda card, user, version, place: entries.move(card, user, version, place, -1),
    "down": lambda card, user, version, place: entries.move(card, user, version, place, 1),
    "out": entries.take_out,
    "back": entries.bring_back,
    "right": lambda card, user, version, place: entries.check(card, user, version, place, True),
    "unsure": lambda card, user, version, place: entries.check(card, user, version, place, False),
}


@require_POST
@login_required
def entry_add(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """Empty, and its form opens."""
    card = card_of(correctable(request, pk), card_pk)
    try:
        _card, place = entries.add(card, request.user, number(request.GET.get("version")))
    except (EditConflict, entries.NoSuchEntry, TransitionRefused) as error:
        return _refused(request, card, error)
    collection = urlencode({"collection": name}) if (name := _collection(request, card)) else ""
    grid_too = "grid=1" if "grid" in request.GET else ""
    parts = [part for part in (request.GET.get("from", ""), grid_too, collection) if part]
    query = f"?{'&'.join(parts)}" if parts else ""
    return redirect(reverse("entry_edit", args=[pk, card_pk, place]) + query)


@require_POST
@login_required
def entry_change(request: SignedInRequest, pk: int, card_pk: int, place: int, act: str) -> HttpResponse:
    """Up, down, out, back, right, unsure."""
    card = card_of(correctable(request, pk), card_pk)
    if act not in ACTS:
        raise Http404
    try:
        ACTS[act](card, request.user, number(request.GET.get("version")), place)
    except (EditConflict, entries.NoSuchEntry, TransitionRefused) as error:
        return _refused(request, card, error)
    return saved_row(request, card.batch, card) if request.htmx else _back(request, card)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def entry_edit(request: SignedInRequest, pk: int, card_pk: int, place: int) -> HttpResponse:
    """The scan beside the values of one entry. Where somebody else was quicker, what was typed stays in the form."""
    batch = correctable(request, pk)
    card = card_of(batch, card_pk)
    entry = next((one for one in results.further_entries(batch, card) if one.place == place), None)
    if entry is None:
        raise Http404
    typed: dict[str, str] = {}
    conflict = False
    if request.method == "POST":
        typed = {spec.key: request.POST.get(f"value.{spec.key}", "")[:LONGEST] for spec in batch.specs()}
        values = {key: text.replace("\x00", "").strip() or None for key, text in typed.items()}
        try:
            entries.correct(card, request.user, number(request.POST.get("version")), place, values)
        except EditConflict as error:
            card, conflict = error.current, True
        except (entries.NoSuchEntry, TransitionRefused) as error:
            return _refused(request, card, error)
        else:
            messages.success(request, _("Saved: entry %(n)s.") % {"n": entry.number})
            return _back(request, card)
    context = {
        "batch": batch,
        "card": card,
        "row": results.rows(batch, [card])[0],
        "entry": entry,
        "fields": [(cell, typed.get(cell.key, cell.value)) for cell in entry.cells],
        "conflict": conflict,
        "query": grid.Filters.from_query(request.GET, batch).query(),
        "from_grid": "grid" in request.GET,
        "collection": _collection(request, card),
        "table": _table(request, card),
        "upright": card.upright,
        "can_correct": True,
        "can_edit": False,  # of the stage: nothing is turned or replaced from here
    }
    return render(request, "batches/entry_edit.html", context, status=409 if conflict else 200)


def _collection(request: SignedInRequest, card: Card) -> str:
    """The name of that in whose table one was."""
    name = request.GET.get("collection", "").replace("\x00", "")
    return name if name == card.batch.collection else ""


def _table(request: SignedInRequest, card: Card) -> str:
    """The card in the table that one came from."""
    name = _collection(request, card)
    address = reverse("collection_cards", args=[name]) if name else reverse("batch_results", args=[card.batch_id])
    return f"{address}{_query(request, card)}#card-{card.pk}"


def _query(request: SignedInRequest, card: Card) -> str:
    query = grid.Filters.from_query(request.GET, card.batch).query()
    return f"?{query}" if query else ""


def _back(request: SignedInRequest, card: Card) -> HttpResponseRedirect:
    if "grid" in request.GET:
        return redirect(_table(request, card))
    return redirect(reverse("card_detail", args=[card.batch_id, card.pk]) + _query(request, card) + "#card-entries")


def _refused(request: SignedInRequest, card: Card, error: Exception) -> HttpResponse:
    if isinstance(error, EditConflict):
        said = _("Somebody else has just changed this card. Look again, then decide.")
    else:
        said = _("This cannot be done with the entry now. The page shows how it stands.")
    if request.htmx:
        return trigger_client_event(saved_row(request, card.batch, card, status=409), "toast", {"value": said})
    messages.error(request, said)
    return _back(request, card)
