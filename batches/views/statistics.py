"""Figures of a batch and of the site."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from batches import progress
from batches.models import Batch
from batches.queries import statistics
from batches.views.results import may, visible
from cardocr_site.accounts.requests import SignedInRequest


@require_safe
@login_required
def batch_statistics(request: SignedInRequest, pk: int) -> HttpResponse:
    """Pace, cost, failures, corrections of one batch; of persons to administrators alone, where that is on."""
    batch = visible(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    done = progress.of(batch)
    priced = batch.completed and batch.cost
    context = {
        "batch": batch,
        **may(request, batch),
        "figures": statistics.of_batch(batch),
        "progress": done,
        "took": progress.time_in_words(done.elapsed_seconds) if done.elapsed_seconds else "",
        "each": progress.money(batch.cost / batch.completed, batch.currency) if priced else "",
        "people": statistics.people(Batch.objects.filter(pk=pk)) if request.user.is_administrator else [],
    }
    return render(request, "batches/batch_statistics.html", context)


@require_safe
@login_required
def statistics_site(request: SignedInRequest) -> HttpResponse:
    """The same over all batches that this person may see."""
    seen = Batch.objects.visible_to(request.user)
    context = {
        "figures": statistics.of_site(seen),
        "people": statistics.people(seen) if request.user.is_administrator else [],
    }
    return render(request, "batches/statistics_site.html", context)
