"""A batch while it is read and after: its page, what a person may do to it, and the same live frames by asking."""

from collections.abc import Callable
from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import trigger_client_event

from batches import news
from batches.actions import drafts, runs, sampling
from batches.actions import trying as tries
from batches.changes import TransitionRefused
from batches.forms import BudgetForm
from batches.live import feed, fragments, listing
from batches.live.fragments import Viewer
from batches.models import Batch, Card
from batches.queries import live, outlook, rights, statistics, trying
from batches.queries.asked import whole_number
from batches.states import BatchStatus
from batches.views import keys
from batches.views.results import correctable
from cardocr_site.accounts.requests import SignedInRequest


@require_safe
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def batch_detail(request: SignedInRequest, pk: int) -> HttpResponse:
    """How far a started batch is. A draft is sent to its scans."""
    batch = _visible(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    viewer = _viewer(request, batch)
    if request.htmx.target in fragments.FILES:
        return HttpResponse(fragments.one(request.htmx.target, batch, viewer))
    news.see(request.user, batch=batch)
    cursor, over = feed.cursor_at(batch), outlook.phase(batch) == outlook.OVER
    context = fragments.context(batch, viewer) | {
        "cursor": cursor,
        "notices": batch.notices.filter(done_at=None).select_related("by") if viewer.can_edit else (),
        "flags": statistics.flags(batch) if over else None,
        "rows": live.rows(batch, live.latest(batch)[: live.KEPT_WHEN_OVER if over else live.KEPT]),
        "columns": live.columns(batch),
        "budget_form": BudgetForm(batch),
        "ask_stop": viewer.can_edit and "stop" in request.GET and batch.status in _STOPPABLE,
    }
    return render(request, "batches/batch_detail.html", context)


_STOPPABLE = {BatchStatus.QUEUED, BatchStatus.RUNNING, BatchStatus.PAUSED}


@require_POST
@login_required
def batch_start(request: SignedInRequest, pk: int) -> HttpResponse:
    """Twice is once. What is missing is said on the page that asked."""
    batch = _editable(request, pk)
    pilot = {"ten": runs.PILOT, "all": 0}.get(request.POST.get("first", ""))
    if batch.is_draft and not _compared(request, batch):
        messages.error(request, _("Look at the tried cards again, then tick: it was not ticked, or they have changed."))
        return redirect("batch_confirm", pk)
    try:
        if batch.is_draft:
            drafts.set_duplicates(batch, request.POST.get("on_duplicate", ""))
        runs.start(batch, request.user, pilot=pilot)
        tries.compared(batch, request.user)
    except drafts.BatchLocked:
        return redirect("batch_detail", pk)
    except runs.CannotStart as error:
        messages.error(request, error.message)
        return redirect("batch_confirm", pk)
    return redirect("batch_detail", pk)


def _compared(request: SignedInRequest, batch: Batch) -> bool:
    """They have said yes to what they saw: tried cards, fields and engine are still those. Nothing tried: no word."""
    return not trying.is_tried(batch) or request.POST.get("compared") == trying.mark(batch)


@require_POST
@login_required
def batch_pause(request: SignedInRequest, pk: int) -> HttpResponse:
    return act(request, _editable(request, pk), partial(runs.pause, by=request.user))


@require_POST
@login_required
def batch_resume(request: SignedInRequest, pk: int) -> HttpResponse:
    batch, key = _editable(request, pk), keys.meant(request)
    return keys.ask(request, batch, "batch_resume") or act(
        request, batch, partial(runs.resume, by=request.user, key=key)
    )


@require_POST
@login_required
def batch_cancel(request: SignedInRequest, pk: int) -> HttpResponse:
    return act(request, _editable(request, pk), partial(runs.cancel, by=request.user))


@require_POST
@login_required
def batch_retry(request: SignedInRequest, pk: int) -> HttpResponse:
    """Every card that could not be read, again."""

    def retry(batch: Batch) -> str:
        number = runs.retry_all(batch, request.user, key=keys.meant(request))
        return ngettext("%(n)s card is read again.", "%(n)s cards are read again.", number) % {"n": number}

    batch = _editable(request, pk)
    return keys.ask(request, batch, "batch_retry") or act(request, batch, retry)


@require_POST
@login_required
def card_retry(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """One card again. Answers the row that asked, a fragment of the live page, or the page one came from."""
    batch = _editable(request, pk)
    card = get_object_or_404(batch.cards, pk=card_pk)

    def retry(_batch: Batch) -> str:
        runs.retry_card(card, request.user, key=keys.meant(request))
        return _("“%(file)s” is read again.") % {"file": card.display_name}

    return keys.ask(request, batch, "card_retry", card) or act(request, batch, retry, card)


@require_POST
@login_required
def sample_draw(request: SignedInRequest, pk: int) -> HttpResponse:
    """Draw cards at random from those that nobody has looked at, and show them."""
    size = whole_number(request.POST.get("size"), digits=5)
    size = sampling.USUAL if size is None else size
    if sampling.draw(correctable(request, pk), request.user, size) is None:
        messages.error(request, _("There is no card left that nobody has looked at."))
        return redirect("batch_detail", pk)
    return redirect(f"{reverse('batch_results', args=[pk])}?filter=sample")


@require_safe
@login_required
@never_cache
def batch_live(request: SignedInRequest, pk: int) -> JsonResponse:
    """For a page whose socket does not come through: the frame that the socket would send."""
    batch = _visible(request, pk)
    cursor = feed.Cursor.parse(request.GET.get("after", ""))
    return JsonResponse(feed.frame(batch, cursor, _viewer(request, batch, request.GET.get("view", ""))))


@require_safe
@login_required
@never_cache
def batch_list_live(request: SignedInRequest) -> JsonResponse:
    """The same for the list of batches: the rows that the page shows."""
    shelf = listing.shelf(request.user, listing.parse_ids(request.GET.get("rows", "")), get_language() or "")
    return JsonResponse(listing.frame_of(shelf))


def _visible(request: SignedInRequest, pk: int) -> Batch:
    batches = Batch.objects.visible_to(request.user).select_related("owner", "engine", "template_version__template")
    return get_object_or_404(batches, pk=pk)


def _editable(request: SignedInRequest, pk: int) -> Batch:
    return get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)


def _viewer(request: SignedInRequest, batch: Batch, view: str = "live") -> Viewer:
    view = view if view in feed.VIEWS else "live"
    return Viewer(view, get_language() or "", rights.of(request.user, batch))


def act(
    request: SignedInRequest, batch: Batch, action: Callable[[Batch], object], card: Card | None = None
) -> HttpResponse:
    """Do it and answer: with the fragment that asked, or by going back. What cannot be done now is said, no more."""
    try:
        said = action(batch)
    except TransitionRefused as error:
        return _answer(request, batch, card, refusal(error), status=409)
    except runs.CannotStart as error:
        return _answer(request, batch, card, error.message, status=409)
    return _answer(request, batch, card, said if isinstance(said, str) else "")


def refusal(error: TransitionRefused) -> str:
    labels = {**dict(BatchStatus.choices)}
    return _("That cannot be done now: it is “%(status)s”. The page shows how it stands.") % {
        "status": labels.get(error.status, error.status)
    }


def _answer(request: SignedInRequest, batch: Batch, card: Card | None, said: str, status: int = 200) -> HttpResponse:
    target = request.htmx.target or ""
    fresh = _visible(request, batch.pk)
    if request.htmx and target in fragments.FILES:
        response = HttpResponse(fragments.one(target, fresh, _viewer(request, fresh)), status=status)
    elif request.htmx and card is not None and target == f"card-{card.pk}":
        shown = Card.objects.select_related("result").get(pk=card.pk)
        response = HttpResponse(fragments.rows(fresh, [shown], _viewer(request, fresh, "grid"))[0], status=status)
    else:
        if said:
            (messages.error if status != 200 else messages.success)(request, said)
        return redirect("batch_problems" if request.POST.get("from") == "problems" else "batch_detail", batch.pk)
    return trigger_client_event(response, "toast", {"value": said}) if said else response
