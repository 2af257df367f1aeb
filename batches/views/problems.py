"""What could not be read, and what can be done about it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from batches.actions import problems as actions
from batches.changes import TransitionRefused
from batches.queries import problems
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
    """All cards of one cause, again."""
    batch = editable(request, pk)
    try:
        number = actions.retry_cause(batch, request.POST.get("cause", ""), request.user)
    except TransitionRefused:
        messages.error(request, _("That cannot be done now. The page shows how it stands."))
    else:
        said = ngettext("%(n)s card is read again.", "%(n)s cards are read again.", number) % {"n": number}
        messages.success(request, said)
    return redirect("batch_problems", pk)


@require_POST
@login_required
def problems_skip(request: SignedInRequest, pk: int) -> HttpResponse:
    """All cards of one cause are left out."""
    batch = editable(request, pk)
    number = actions.skip_cause(batch, request.POST.get("cause", ""), request.user)
    messages.success(request, ngettext("%(n)s card is skipped.", "%(n)s cards are skipped.", number) % {"n": number})
    return redirect("batch_problems", pk)
