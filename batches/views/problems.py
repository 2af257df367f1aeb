"""What could not be read, and what can be done about it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from batches.actions import problems as actions
from batches.models import Batch
from batches.queries import problems
from batches.views import run
from batches.views.results import can_edit, editable, visible
from cardocr_site.accounts.requests import SignedInRequest


@require_safe
@login_required
@never_cache
def batch_problems(request: SignedInRequest, pk: int) -> HttpResponse:
    """Failures by cause. Blank scans are skipped on their own and no problem."""
    batch = visible(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    opened = request.GET.get("cause", "")
    context = {
        "batch": batch,
        "can_edit": can_edit(request, batch),
        "groups": problems.groups(batch, opened),
        "opened": opened,
    }
    return render(request, "batches/batch_problems.html", context)


@require_POST
@login_required
def problems_retry(request: SignedInRequest, pk: int) -> HttpResponse:
    """All cards of one cause, again. Answers the live page's panel, or the page one came from."""

    def retry(batch: Batch) -> str:
        number = actions.retry_cause(batch, request.POST.get("cause", ""), request.user)
        return ngettext("%(n)s card is read again.", "%(n)s cards are read again.", number) % {"n": number}

    return run.act(request, editable(request, pk), retry)


@require_POST
@login_required
def problems_skip(request: SignedInRequest, pk: int) -> HttpResponse:
    """All cards of one cause are left out."""
    batch = editable(request, pk)
    number = actions.skip_cause(batch, request.POST.get("cause", ""), request.user)
    messages.success(request, ngettext("%(n)s card is skipped.", "%(n)s cards are skipped.", number) % {"n": number})
    return redirect("batch_problems", pk)
