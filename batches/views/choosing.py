"""Which cards are read: ticked in the draft, and the rest taken later."""

from collections.abc import Iterable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from batches.actions import choosing as actions
from batches.actions import drafts, runs
from batches.changes import TransitionRefused
from batches.models import Batch
from batches.queries import choosing
from batches.queries.asked import whole_number
from batches.views.results import editable, may, visible
from batches.views.uploads import PER_PAGE, scans_changed
from cardocr_site.accounts.requests import SignedInRequest


@require_POST
@login_required
def cards_choose(request: SignedInRequest, pk: int) -> HttpResponse:
    """All cards of the filter, or none; or those of a page as they are ticked.

    Of a page only what this person has changed counts (`was`: as it was drawn), so that two tabs do not undo each
    other.
    """
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    filters = choosing.Filters.from_query(request.GET)
    do = request.POST.get("do", "")
    try:
        if do in {"all", "none"}:
            cards = choosing.found(batch, filters)
            actions.set_all(batch, cards, chosen=do == "all", blank_too=filters.only == "blank", by=request.user)
        else:
            shown, was = (
                _numbers(request.POST.get("shown", "").split(",")),
                _numbers(request.POST.get("was", "").split(",")),
            )
            now = _numbers(request.POST.getlist("card"))
            actions.set_each(batch, shown & now - was, shown & was - now, request.user)
    except drafts.BatchLocked as locked:
        if request.htmx.target == "choice":  # its boxes are no more than a picture now
            return HttpResponseClientRefresh()
        return scans_changed(request, batch, str(locked))
    if request.htmx.target == "choice":
        batch.refresh_from_db()
        context = {"batch": batch, **may(request, batch), "filters": filters, "query": request.GET.urlencode()}
        return render(request, "batches/_choice.html", context | choosing.told(batch, filters))
    return scans_changed(request, batch)


def _numbers(texts: Iterable[str]) -> set[int]:
    return {one for one in map(whole_number, texts) if one is not None}


@require_safe
@login_required
@never_cache
def batch_rest(request: SignedInRequest, pk: int) -> HttpResponse:
    """The cards of a started batch that nobody has chosen."""
    batch = visible(request, pk)
    if batch.is_draft:
        return redirect(f"{reverse('batch_upload', args=[pk])}?only=left-out#scans")
    filters = choosing.Filters.from_query(request.GET)
    paginator = Paginator(choosing.left_out(batch, filters.text), PER_PAGE)
    if not filters.text:
        paginator.count = batch.not_chosen
    page = paginator.get_page(request.GET.get("page"))
    context = {
        "batch": batch,
        **may(request, batch),
        "filters": filters,
        "page": page,
        "cards": list(page.object_list),
    }
    return render(request, "batches/batch_rest.html", context)


@require_POST
@login_required
def rest_read(request: SignedInRequest, pk: int) -> HttpResponse:
    """All of them are read, or the ticked ones."""
    batch = editable(request, pk)
    some = None if request.POST.get("do") == "all" else _numbers(request.POST.getlist("card"))
    if some is not None and not some:
        messages.warning(request, _("Tick the cards first."))
        return redirect("batch_rest", pk)
    try:
        number = actions.read_rest(batch, some, request.user)
    except TransitionRefused:
        return redirect("batch_upload", pk)
    except runs.CannotStart as error:
        messages.error(request, error.message)
        return redirect("batch_rest", pk)
    messages.success(request, ngettext("%(n)s card is read.", "%(n)s cards are read.", number) % {"n": number})
    return redirect("batch_detail", pk)
