"""The review: one card after the other, its scan beside its values. What is typed here is never lost."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import time_format
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from batches import progress
from batches.actions import cards as card_actions
from batches.actions import reviewing
from batches.changes import TransitionRefused
from batches.models import Batch, Card, Lease
from batches.queries import cockpit, collections, queue, results
from batches.states import CardStatus
from batches.views.cards import LONGEST, number
from batches.views.results import card_of, chips, correctable, may, visible
from cardocr_site.accounts.models import User
from cardocr_site.accounts.requests import SignedInRequest

Typed = dict[str, tuple[str, str]]  # of each field: the value that stood there, what was typed
NOTE = 2_000  # characters, as the page says
TRIES = 5  # other fields of a card that are saved at the same moment are no conflict


@require_safe
@login_required
@never_cache
def review_home(request: SignedInRequest) -> HttpResponse:
    """What there is to check, batch by batch."""
    batches = Batch.objects.visible_to(request.user).filter(to_check__gt=0).select_related("owner")
    shown = list(batches.order_by("-changed_at")[:200])
    context = {
        "batches": [(batch, request.user.corrects) for batch in shown],
        "total": sum(batch.to_check for batch in shown),
    }
    return render(request, "batches/review_home.html", context)


@require_safe
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def batch_review(request: SignedInRequest, pk: int) -> HttpResponse:
    """The card that the address names, or the first of its queue. When htmx asks for it, only the bench."""
    batch = visible(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    asked = _queue(request, batch)
    if "card" not in request.GET:
        return _enter(request, asked)
    context = _context(request, batch, card_of(batch, number(request.GET["card"])), asked)
    name = "batches/_review.html" if request.htmx.target == "review" else "batches/review.html"
    return render(request, name, context)


@require_safe
@login_required
@never_cache
def collection_review(request: SignedInRequest, name: str) -> HttpResponse:
    """To the first card of a queue that goes through the collection's batches one after the other."""
    if not collections.batches_of(request.user, name):
        raise Http404
    return _enter(request, queue.Queue.of_collection(request.GET, name, request.user))


def _queue(request: SignedInRequest, batch: Batch) -> queue.Queue:
    """That of the collection in whose review one is, as long as the batch is in it; else the batch's."""
    name = request.GET.get("collection", "").replace("\x00", "")
    if name and name == batch.collection:
        asked = queue.Queue.of_collection(request.GET, name, request.user)
        if batch.pk in asked.places:
            return asked
    return queue.Queue.from_query(request.GET, batch)


def _enter(request: SignedInRequest, asked: queue.Queue) -> HttpResponse:
    asked = asked.begun()
    first = queue.entrance(asked, request.user)
    if first is not None:
        return redirect(_address(asked, first))
    return render(request, "batches/review_empty.html", {"batch": asked.whole, "queue": asked})


def _context(request: SignedInRequest, batch: Batch, card: Card, asked: queue.Queue) -> dict[str, Any]:
    typed, kept_at = cockpit.drafted(card, request.user)
    row = results.rows(batch, [card])[0]
    place = queue.place(asked, card, request.user)
    allowed = may(request, batch)
    query = asked.filters.query()
    return {
        "batch": batch,
        "card": card,
        "row": row,
        "lines": cockpit.lines(batch, card, row, typed),
        "kept_at": kept_at,
        "queue": asked,
        "place": place,
        "previous": _address(asked, place.previous) if place.previous else "",
        "next": _address(asked, place.next) if place.next else "",
        "entrance": _address(asked, None),
        "table": replace(asked.filters, cards=(), sort="position").query(),
        "frames": [(frame, _address(asked, frame.card), name) for frame, name in _begun(asked, place)],
        "here": asked.query(card.pk),
        "query": f"{urlencode({'collection': asked.collection})}&{query}" if asked.collection else query,
        "chips": _chips(asked, place),
        **allowed,
        "readable": allowed["can_correct"] and (row.is_read or _enterable(card)),
        "enterable": _enterable(card),
        "can_give_up": row.is_read and card.status == CardStatus.COMPLETED,
        "entries": results.further_entries(batch, card),
        "out": results.taken_out(card),
        "several": batch.option("multiple_entries"),
        "notes": list(card.notes.filter(closed_at=None).select_related("by")[:5]),
        "error": progress.error_sentence(card.error) if card.error else "",
        "advice": progress.error_advice(card.error) if card.error else "",
        "upright": card.upright,
        "other": queue.leases([card.pk], request.user).get(card.pk),
    }


def _begun(asked: queue.Queue, place: queue.Place) -> Iterable[tuple[queue.Frame, str]]:
    """The frames of the film, each with the name of the batch that begins there."""
    names, last = {batch.pk: batch.name for batch in asked.parts or ()}, None
    for at, frame in enumerate(place.frames):
        begins = at > 0 and frame.card.batch_id != last
        yield frame, names.get(frame.card.batch_id, "") if begins else ""
        last = frame.card.batch_id


def _chips(asked: queue.Queue, place: queue.Place) -> list[dict[str, Any]]:
    """The other queues, each with its address."""
    found = chips(asked.whole, asked.filters, place.left if asked.collection else None)
    return [chip | {"address": _address(asked, None, _of_chip(chip["query"]))} for chip in found]


def _of_chip(query: str) -> str:
    return query.replace("filter=", "queue=") if "filter=" in query else f"queue=&{query}"


def _enterable(card: Card) -> bool:
    return card.status in {CardStatus.FAILED, CardStatus.PENDING} and not card.is_read


def _at(request: SignedInRequest, pk: int, card_pk: int) -> tuple[Batch, Card, queue.Queue]:
    """Where somebody who may change the card acts. Raises Http404."""
    batch = correctable(request, pk)
    return batch, card_of(batch, card_pk), _queue(request, batch)


def _note(request: SignedInRequest) -> str:
    return request.POST.get("note", "").replace("\x00", "").strip()[:NOTE]


# ---- saving


@require_POST
@login_required
def review_save(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """`action`: accept (the fields of `accept`), save, or right. The page's own program gets JSON."""
    batch, card, asked = _at(request, pk, card_pk)
    following = queue.place(asked, card, request.user).next  # saving may take the card out of its filter
    typed = _typed(request, batch)
    was = reviewing.before(card)
    try:
        saved = _save(request, card, typed)
    except card_actions.EditConflict as conflict:
        return _conflict(request, batch, conflict.current, typed, asked)
    except TransitionRefused:
        return _refused(request, batch, card, asked)
    left = {key: pair for key, pair in cockpit.drafted(saved, request.user)[0].items() if key not in typed}
    reviewing.keep_draft(saved, request.user, left)
    undo = reviewing.undoable(was, saved, request.user)
    if _is_program(request):
        return _saved(batch, saved, request.user, undo)
    messages.success(request, _("Saved: card %(n)s.") % {"n": card.position})
    going = following if request.POST.get("action") in {"right", "next"} else card
    return redirect(_address(asked, going))


def _save(request: SignedInRequest, card: Card, typed: Typed) -> Card:
    action = request.POST.get("action", "save")
    values = {key: text for key, (_was, text) in typed.items()}
    if _enterable(card):
        return card_actions.enter_by_hand(card, request.user, values)
    right = True if action == "right" else None
    accepted = request.POST.getlist("accept")
    version = number(request.POST.get("version"))
    changed = {key: text for key, (was, text) in typed.items() if text != was}
    for _try in range(TRIES):
        try:
            return card_actions.correct(card, request.user, version, changed, right, accepted)
        except card_actions.EditConflict as conflict:
            if right or _collide(conflict.current, typed, {*changed, *accepted}):
                raise
            version = conflict.current.version
    return card_actions.correct(card, request.user, version, changed, right, accepted)


def _collide(current: Card, typed: Typed, keys: set[str]) -> bool:
    """Whether somebody else has changed one of these values since they were shown."""
    now = current.result.values if current.result else {}
    return any((now.get(key) or "") != typed[key][0] for key in keys if key in typed)


def _typed(request: SignedInRequest, batch: Batch) -> Typed:
    """Line ends as they are stored: a form sends both characters."""

    def text(name: str) -> str:
        return request.POST.get(name, "")[:LONGEST].replace("\r\n", "\n").replace("\x00", "")

    keys = [spec.key for spec in batch.specs() if f"value.{spec.key}" in request.POST]
    return {key: (text(f"was.{key}"), text(f"value.{key}")) for key in keys}


def _saved(batch: Batch, card: Card, user: User, undo: str) -> HttpResponse:
    """How the card stands now, field by field."""
    fresh = card_of(batch, card.pk)
    row = results.rows(batch, [fresh])[0]
    return JsonResponse(
        {
            "version": fresh.version,
            "at": _now(),
            "undo": undo,
            "fields": _fields(batch, fresh, row, {}),
            "marked": row.marked,
        }
    )


def _fields(batch: Batch, card: Card, row: results.Row, typed: Typed) -> dict[str, str]:
    return {
        line.key: render_to_string(
            "batches/_review_field.html",
            {"line": line, "cell": line.cell, "batch": batch, "card": card, "row": row, "upright": card.upright},
        )
        for line in cockpit.lines(batch, card, row, typed)
    }


def _conflict(request: SignedInRequest, batch: Batch, card: Card, typed: Typed, asked: queue.Queue) -> HttpResponse:
    """Both values are shown, and nothing typed is lost: it is this person's draft now."""
    fresh = card_of(batch, card.pk)
    beside = {key: pair for key, pair in cockpit.drafted(fresh, request.user)[0].items() if key not in typed}
    mine = beside | {key: (was, text) for key, (was, text) in typed.items() if was != text}
    reviewing.keep_draft(fresh, request.user, mine)
    said = _("Somebody else has changed this card. Look at the marked fields, then save again.")
    if _is_program(request):
        row = results.rows(batch, [fresh])[0]
        told = {"said": said, "version": fresh.version, "fields": _fields(batch, fresh, row, mine)}
        return JsonResponse(told, status=200)
    messages.error(request, said)
    return redirect(_address(asked, card))


def _refused(request: SignedInRequest, batch: Batch, card: Card, asked: queue.Queue) -> HttpResponse:
    said = _("This card cannot be changed now. The page shows how it stands.")
    if _is_program(request):
        return JsonResponse({"said": said, "reload": True})
    messages.error(request, said)
    return redirect(_address(asked, card))


def _address(asked: queue.Queue, card: Card | None, query: str = "") -> str:
    """Of a card, or of the first one of the queue."""
    if card is not None:
        return f"{reverse('batch_review', args=[card.batch_id])}?{asked.query(card.pk)}"
    name, whose = ("collection_review", asked.collection) if asked.collection else ("batch_review", asked.whole.pk)
    return f"{reverse(name, args=[whose])}?{query or asked.query()}"


def _now() -> str:
    return time_format(timezone.localtime(), "TIME_FORMAT")


def _is_program(request: SignedInRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


# ---- what happens beside saving


@require_POST
@login_required
def review_draft(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """Keep what stands in the form and is not accepted."""
    batch = correctable(request, pk)
    typed = {key: pair for key, pair in _typed(request, batch).items() if pair[0] != pair[1]}
    at = reviewing.keep_draft(card_of(batch, card_pk), request.user, typed)
    return JsonResponse({"at": time_format(timezone.localtime(at), "TIME_FORMAT"), "kept": len(typed)})


@require_POST
@login_required
def review_lease(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """This person has the card before them; who has it otherwise. `leave`: not any more."""
    card = card_of(correctable(request, pk), card_pk)
    if "leave" in request.POST:
        reviewing.release(card, request.user)
        return JsonResponse({"mine": False})
    held = reviewing.lease(card, request.user, take="take" in request.POST)
    return JsonResponse({"mine": held.user_id == request.user.pk, "version": card.version, **_who(held)})


def _who(held: Lease) -> Mapping[str, str]:
    name = held.user.get_full_name() or held.user.get_username()
    return {"who": name, "said": _("%(name)s has this card open.") % {"name": name}}


@require_POST
@login_required
def review_flag(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """Somebody shall look again, and why; or not any more (`undo`)."""
    batch, card, asked = _at(request, pk, card_pk)
    note = _note(request)
    try:
        if "undo" in request.GET:
            reviewing.unflag(card, request.user)
        elif note:
            reviewing.flag(card, request.user, note)
        else:
            messages.error(request, _("Say in a word or two what is to be looked at."))
    except TransitionRefused:
        return _refused(request, batch, card, asked)
    return redirect(_address(asked, card))


@require_POST
@login_required
def review_give_up(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """Nobody can read this card: it goes to the problems, with the reason."""
    batch, card, asked = _at(request, pk, card_pk)
    following = queue.place(asked, card, request.user).next
    was = reviewing.before(card)
    try:
        given_up = reviewing.cannot_read(card, request.user, number(request.POST.get("version")), _note(request))
    except card_actions.EditConflict:
        return _changed_meanwhile(request, batch, card, asked)
    except TransitionRefused:
        return _refused(request, batch, card, asked)
    told = _("Card %(n)s stands under Problems now.") % {"n": card.position}
    if _is_program(request):
        undo = reviewing.undoable(was, given_up, request.user)
        return JsonResponse({"told": told, "undo": undo, "at": _now()})
    messages.success(request, told)
    return redirect(_address(asked, following or card))


def _changed_meanwhile(request: SignedInRequest, batch: Batch, card: Card, asked: queue.Queue) -> HttpResponse:
    """Nothing was done, and what this person has typed stays."""
    said = _("Somebody else has just changed this card. Look at it again.")
    if _is_program(request):
        fresh = card_of(batch, card.pk)
        fields = _fields(batch, fresh, results.rows(batch, [fresh])[0], cockpit.drafted(fresh, request.user)[0])
        return JsonResponse({"said": said, "version": fresh.version, "fields": fields})
    messages.error(request, said)
    return redirect(_address(asked, card))


@require_POST
@login_required
def review_undo(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """Take one's last act on a card back."""
    _batch, card, asked = _at(request, pk, card_pk)
    try:
        reviewing.undo(card, request.user, request.POST.get("token", ""))
    except reviewing.NothingToUndo:
        messages.error(request, _("This cannot be undone any more: the card was changed since."))
    else:
        messages.success(request, _("Undone: card %(n)s.") % {"n": card.position})
    return redirect(_address(asked, card))


@require_safe
@login_required
def help_keys(request: SignedInRequest) -> HttpResponse:
    """All keys."""
    return render(request, "batches/help_keys.html")
