"""What could not be read, and what can be done about it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from batches.actions import problems as actions
from batches.live import feed
from batches.models import Batch
from batches.queries import problems
from batches.views import keys, run
from batches.views.results import editable, may, visible
from cardocr_site.accounts.requests import SignedInRequest


@require_safe
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def batch_problems(request: SignedInRequest, pk: int) -> HttpResponse:
    """Failures by cause. Blank scans are skipped on their own and no problem. When htmx asks for them, only those."""
    batch = visible(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    opened, sign = request.GET.get("cause", ""), problems.sign(batch)
    groups = problems.groups(batch, opened)
    may_work = [group for group in groups if group.may_work]
    context = {
        "batch": batch,
        **may(request, batch),
        "groups": groups,
        "case": problems.case(groups, request.GET.get("card", "")),
        "today": problems.done_today(batch),
        "may_work": may_work,
        "may_work_number": sum(group.number for group in may_work),
        "opened": opened,
        "sign": sign,
    }
    if request.htmx.target == "problems":
        return render(request, "batches/_problems.html", context | {"swapped": True})
    return render(request, "batches/batch_problems.html", context | {"cursor": feed.cursor_at(batch)})


@require_POST
@login_required
def problems_retry(request: SignedInRequest, pk: int) -> HttpResponse:
    """All cards of these causes, again, perhaps turned. Answers the live page's panel, or the page one came from."""
    batch = editable(request, pk)
    turned = int(request.POST["turn"]) if request.POST.get("turn") in {"90", "180", "270"} else 0

    def retry(batch: Batch) -> str:
        causes, key = request.POST.getlist("cause"), keys.meant(request)
        number = sum(actions.retry_cause(batch, cause, request.user, turned=turned, key=key) for cause in causes)
        return ngettext("%(n)s card is read again.", "%(n)s cards are read again.", number) % {"n": number}

    return keys.ask(request, batch, "problems_retry") or run.act(request, batch, retry)


@require_POST
@login_required
def problems_skip(request: SignedInRequest, pk: int) -> HttpResponse:
    """All cards of one cause are left out."""
    batch = editable(request, pk)
    number = actions.skip_cause(batch, request.POST.get("cause", ""), request.user)
    messages.success(request, ngettext("%(n)s card is skipped.", "%(n)s cards are skipped.", number) % {"n": number})
    return redirect("batch_problems", pk)
