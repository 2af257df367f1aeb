"""What a batch may cost: before its start and at any time after it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from batches import progress
from batches.actions import budgets
from batches.forms import BudgetForm
from batches.models import Batch
from batches.queries import budgets as queries
from batches.states import BatchStatus, PauseReason
from batches.views.results import may
from cardocr_site.accounts.requests import SignedInRequest


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def batch_budget(request: SignedInRequest, pk: int) -> HttpResponse:
    """For whoever may change the batch."""
    batch = get_object_or_404(Batch.objects.editable_by(request.user).select_related("owner", "engine"), pk=pk)
    form = BudgetForm(batch, request.POST if request.method == "POST" else None)
    if form.is_valid():
        batch = budgets.set_budget(batch, form.cleaned_data["budget"], request.user)
        messages.success(request, _said(batch, form.currency))
        return redirect("batch_confirm" if batch.is_draft else "batch_detail", pk)
    context = {"form": form, "batch": batch, **may(request, batch)}
    return render(request, "batches/batch_budget.html", context, status=422 if form.is_bound else 200)


def _said(batch: Batch, currency: str) -> str:
    if batch.budget is None:
        said = _("This batch has no limit now.")
    else:
        said = _("The limit for this batch is %(budget)s now.") % {"budget": progress.money(batch.budget, currency)}
    if batch.status == BatchStatus.PAUSED and batch.pause_reason == PauseReason.BUDGET:
        said += " " + (queries.used_up(batch, batch.reader) or _("Resume it to go on."))
    return said
