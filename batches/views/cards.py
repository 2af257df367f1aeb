"""One card: its page, one value in place, right or not, left out."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Max
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import reswap, retarget, trigger_client_event

from batches import progress
from batches.actions import cards as card_actions
from batches.actions import runs
from batches.changes import TransitionRefused
from batches.models import Attempt, Batch, Card, CardScan
from batches.queries import grid, readings, results
from batches.queries.asked import whole_number
from batches.states import CardStatus
from batches.views.collections import row as row_in_collection
from batches.views.results import card_of, chips, correctable, editable, marks, may, visible
from cardocr_site.accounts.requests import SignedInRequest
from ocr import errors
from ocr.fields import FieldSpec

LONGEST = 20_000


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def card_detail(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """The scan beside its values. The address keeps the filter one came from; what is next follows it."""
    batch = correctable(request, pk) if request.method == "POST" else visible(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    card = card_of(batch, card_pk)
    filters = grid.Filters.from_query(request.GET, batch)
    if request.method == "POST":
        return _save(request, batch, card, filters)
    return page(request, batch, card, filters)


def page(
    request: SignedInRequest,
    batch: Batch,
    card: Card,
    filters: grid.Filters,
    *,
    mine: Mapping[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """`mine` is what was typed while somebody else saved other values."""
    row = results.rows(batch, [card])[0]
    near = grid.neighbours(batch, filters, card)
    labels = {spec.key: spec.label for spec in batch.specs(active_only=False)}
    history = card.revisions.select_related("by")[:50]
    beside = readings.of(batch, card)
    earlier = list(card.scans.filter(role=CardScan.Role.EARLIER).select_related("by"))
    context = {
        "earlier": earlier,
        "stale": bool(earlier) and _read_before(card, earlier[0]),
        "batch": batch,
        "card": card,
        "row": row,
        "readings": beside,
        "source_seen": _seen(request, beside.source),
        **may(request, batch),
        "can_turn": card.worker_id is None and card.status != CardStatus.PROCESSING and card.has_picture,
        "turned": bool(card.result and (card.result.turned or card.result.back_turned)),
        "enterable": _enterable(card),
        "fields": [(cell, (mine or {}).get(cell.key, cell.value), cell.key in (mine or {})) for cell in row.cells],
        "entries": results.further_entries(batch, card),
        "out": results.taken_out(card),
        "several": batch.option("multiple_entries"),
        "conflict": mine is not None,
        "query": filters.query(),
        "from_collection": _collection(request) == batch.collection,
        "filter_label": _filter_label(batch, filters),
        "near": near,
        "attempts": [(one, _why(one.error), _paid(one)) for one in card.attempts.select_related("engine")[:20]],
        "history": [(labels.get(one.key, one.key), one) for one in history],
        "error": _why(card.error),
        "advice": progress.error_advice(card.error) if card.error else "",
        "others_may": bool(card.error) and errors.of_reason(card.error).others_may,
        "upright": (card.height, card.width) if card.rotation in {90, 270} else (card.width, card.height),
    }
    return render(request, "batches/card_detail.html", context, status=status)


def _seen(request: SignedInRequest, card: Card | None) -> bool:
    return card is not None and Card.objects.visible_to(request.user).filter(pk=card.pk).exists()


def _read_before(card: Card, replaced: CardScan) -> bool:
    """Whether its values, or its failure, are those of a scan that it has no longer."""
    last = card.attempts.aggregate(last=Max("started_at"))["last"]
    return last is None or last < replaced.at


def _enterable(card: Card) -> bool:
    return card.status in {CardStatus.FAILED, CardStatus.PENDING} and not card.is_read


def _why(code: str) -> str:
    return progress.error_sentence(code) if code else ""


def _paid(call: Attempt) -> str:
    """What a call cost; empty where it costs nothing to read on this machine, or the endpoint turned it away."""
    if call.engine is None or call.engine.prices.free:
        return ""
    if call.cost is None:
        return "" if call.error and call.tokens_out is None else _("not known")
    return progress.money(call.cost, call.engine.currency)


def _filter_label(batch: Batch, filters: grid.Filters) -> str:
    return next((str(chip["label"]) for chip in chips(batch, filters) if chip["current"]), "") if filters.name else ""


def _save(request: SignedInRequest, batch: Batch, card: Card, filters: grid.Filters) -> HttpResponse:
    action = request.POST.get("action", "save")
    following = grid.neighbours(batch, filters, card).next  # saving may take the card out of the filter
    typed = _typed(request, batch)
    try:
        if _enterable(card) and "by_hand" in request.POST:
            card_actions.enter_by_hand(card, request.user, typed)
        else:
            _correct(request, card, typed, right=action == "right")
    except card_actions.EditConflict as conflict:
        return page(request, batch, conflict.current, filters, mine=typed, status=409)
    except TransitionRefused:
        messages.error(request, _("This card cannot be changed now. The page shows how it stands."))
        return redirect(_address("card_detail", filters, batch.pk, card.pk))
    messages.success(request, _("Saved: card %(n)s.") % {"n": card.position})
    if action == "save":
        return redirect(_address("card_detail", filters, batch.pk, card.pk))
    if following is None:
        messages.info(request, _("That was the last card here."))
        return redirect(_address("batch_results", filters, batch.pk))
    return redirect(_address("card_detail", filters, batch.pk, following))


def _typed(request: SignedInRequest, batch: Batch) -> dict[str, str]:
    """The values that differ from those the page showed, unless the other person's are taken."""
    typed = {}
    for spec in batch.specs():
        value = request.POST.get(f"value.{spec.key}")
        if value is None or f"take.{spec.key}" in request.POST:
            continue
        value = value.replace("\r\n", "\n")[:LONGEST]
        if value != request.POST.get(f"was.{spec.key}", "").replace("\r\n", "\n"):
            typed[spec.key] = value
    return typed


def _correct(request: SignedInRequest, card: Card, typed: Mapping[str, str], *, right: bool) -> Card:
    """A change of other values of the same card is no conflict, but nobody says "right" of what they did not see."""
    version = number(request.POST.get("version"))
    try:
        return card_actions.correct(card, request.user, version, typed, reviewed=True if right else None)
    except card_actions.EditConflict as conflict:
        now = conflict.current.result.values if conflict.current.result else {}
        seen = {key: request.POST.get(f"was.{key}", "").replace("\r\n", "\n") for key in typed}
        if right or any((now.get(key) or "") != value for key, value in seen.items()):
            raise
        return card_actions.correct(card, request.user, conflict.current.version, typed)


def _address(view: str, filters: grid.Filters, *args: int) -> str:
    query = filters.query()
    return reverse(view, args=args) + (f"?{query}" if query else "")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
@vary_on_headers("HX-Request")
def card_edit(request: SignedInRequest, pk: int, card_pk: int, key: str) -> HttpResponse:
    """One value: its form, its saving. Without htmx the card's own page does both."""
    batch = correctable(request, pk)
    card = card_of(batch, card_pk)
    spec = next((one for one in batch.specs() if one.key == key), None)
    if spec is None:
        raise Http404
    if request.method == "POST":
        return _save_cell(request, batch, card, spec)
    if not request.htmx:
        return redirect(f"{reverse('card_detail', args=[pk, card_pk])}#field-{key}")
    if "cancel" in request.GET or not card.is_read:
        return _cell(request, batch, card, spec)
    return _cell_form(request, batch, card, spec)


def _cell(request: SignedInRequest, batch: Batch, card: Card, spec: FieldSpec) -> HttpResponse:
    row = results.rows(batch, [card])[0]
    cell = next(one for one in row.cells if one.key == spec.key)
    context = {"batch": batch, "row": row, "cell": cell, "can_correct": True, "collection": _collection(request)}
    return render(request, "batches/_cell.html", context)


def _cell_form(
    request: SignedInRequest, batch: Batch, card: Card, spec: FieldSpec, *, mine: str | None = None, status: int = 200
) -> HttpResponse:
    """`mine` is what was typed while somebody else saved another value."""
    row = results.rows(batch, [card])[0]
    cell = next(one for one in row.cells if one.key == spec.key)
    context = {"batch": batch, "row": row, "cell": cell, "mine": mine, "conflict": mine is not None}
    return render(request, "batches/_cell_edit.html", context | {"collection": _collection(request)}, status=status)


def _collection(request: SignedInRequest) -> str:
    """In whose table the cell stands; empty: in its batch's."""
    return request.GET.get("collection", "").replace("\x00", "")[:200]


def _save_cell(request: SignedInRequest, batch: Batch, card: Card, spec: FieldSpec) -> HttpResponse:
    mine = request.POST.get("value", "")[:LONGEST]
    try:
        saved = _correct_one(request, card, spec.key, mine)
    except card_actions.EditConflict as conflict:
        if not request.htmx:
            messages.error(request, _("Somebody else has just changed this card. Look, then save again."))
            return redirect("card_detail", batch.pk, card.pk)
        response = _cell_form(request, batch, conflict.current, spec, mine=mine, status=409)
        return reswap(retarget(response, f"#cell-{card.pk}-{spec.key}"), "outerHTML")
    except TransitionRefused:
        return _not_now(request, batch, card)
    return saved_row(request, batch, saved) if request.htmx else redirect("card_detail", batch.pk, card.pk)


def _correct_one(request: SignedInRequest, card: Card, key: str, value: str) -> Card:
    """A change of another value of the same card is no conflict."""
    version = number(request.POST.get("version"))
    try:
        return card_actions.correct(card, request.user, version, {key: value})
    except card_actions.EditConflict as conflict:
        now = conflict.current.result.values.get(key) if conflict.current.result else None
        if (now or "") != request.POST.get("was", "").replace("\r\n", "\n"):
            raise
        return card_actions.correct(card, request.user, conflict.current.version, {key: value})


def number(text: str | None) -> int:
    """Of a version or a card; −1, which none has, for what is none."""
    found = whole_number(text)
    return -1 if found is None else found


def saved_row(request: SignedInRequest, batch: Batch, card: Card, status: int = 200) -> HttpResponse:
    """The row as it stands, and the filters with their numbers."""
    if collection := _collection(request):
        return row_in_collection(request, collection, batch, card, status)
    batch.refresh_from_db()
    filters = _filters_of_page(request, batch)
    context = {
        "batch": batch,
        "row": results.rows(batch, [card_of(batch, card.pk)])[0],
        **may(request, batch),
        "filters": filters,
        "query": filters.query(),
        "chips": chips(batch, filters),
        "marks": marks(batch, filters),
    }
    return render(request, "batches/_row_saved.html", context, status=status)


def _filters_of_page(request: SignedInRequest, batch: Batch) -> grid.Filters:
    """Those of the page that asked; htmx tells its address."""
    from_page = request.htmx.current_url_abs_path or ""
    query = dict(parse_qsl(urlsplit(from_page).query))
    return grid.Filters.from_query(query, batch)


def _not_now(request: SignedInRequest, batch: Batch, card: Card) -> HttpResponse:
    said = _("This card cannot be changed now. The page shows how it stands.")
    if not request.htmx:
        messages.error(request, said)
        return redirect("card_detail", batch.pk, card.pk)
    response = reswap(retarget(saved_row(request, batch, card, status=409), f"#card-{card.pk}"), "outerHTML")
    return trigger_client_event(response, "toast", {"value": said})


@require_POST
@login_required
def card_reviewed(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """The card is right, or not after all."""
    batch = correctable(request, pk)
    card = card_of(batch, card_pk)
    version = number(request.GET.get("version") or request.POST.get("version"))
    try:
        saved = card_actions.mark_reviewed(card, request.user, version, "undo" not in request.GET)
    except card_actions.EditConflict:
        said = _("Somebody else has just changed this card. Look at it again.")
        if request.htmx:
            return trigger_client_event(saved_row(request, batch, card, status=409), "toast", {"value": said})
        messages.error(request, said)
        return redirect("card_detail", pk, card_pk)
    except TransitionRefused:
        return _not_now(request, batch, card)
    if request.htmx:
        return saved_row(request, batch, saved)
    return redirect("card_detail", pk, card_pk)


@require_POST
@login_required
def card_skip(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """Leave a card out."""
    batch = editable(request, pk)
    card = card_of(batch, card_pk)
    try:
        runs.skip(card, by=request.user)
    except TransitionRefused:
        return _not_now(request, batch, card)
    if request.htmx and request.htmx.target == f"card-{card.pk}":
        return saved_row(request, batch, card)
    messages.success(request, _("“%(file)s” is skipped.") % {"file": card.display_name})
    if request.POST.get("from") == "problems":
        return redirect("batch_problems", pk)
    return redirect("card_detail", pk, card_pk)


@require_POST
@login_required
def card_read(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """A card that was left out is read after all."""
    batch = editable(request, pk)
    card = card_of(batch, card_pk)
    try:
        card_actions.read_after_all(card, request.user)
    except TransitionRefused:
        return _not_now(request, batch, card)
    if request.htmx and request.htmx.target == f"card-{card.pk}":
        return saved_row(request, batch, card)
    messages.success(request, _("“%(file)s” is read after all.") % {"file": card.display_name})
    return redirect("card_detail", pk, card_pk)
