"""Deleting a batch takes its name and two steps; until the second one it can be had back."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from batches.actions import trash
from batches.changes import TransitionRefused
from batches.models import Batch
from batches.states import BatchStatus
from batches.views.results import may, owned
from cardocr_site.accounts.requests import SignedInRequest

UNDER_WAY = {BatchStatus.QUEUED, BatchStatus.RUNNING, BatchStatus.PAUSED}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def batch_delete(request: SignedInRequest, pk: int) -> HttpResponse:
    """Into the trash, once its name was typed."""
    batch = owned(request, pk)
    typed, error = request.POST.get("name", ""), ""
    if request.method == "POST":
        if typed.strip() != batch.name.strip():
            error = _("That is not the name of this batch. Nothing was deleted.")
        else:
            try:
                trash.delete(batch, request.user)
            except TransitionRefused:
                error = _("Somebody has just resumed this batch. Nothing was deleted; try again.")
            else:
                messages.success(request, _("“%(name)s” is in the trash.") % {"name": batch.name})
                return redirect("trash_list")
    context = {
        "batch": batch,
        **may(request, batch),
        "typed": typed,
        "error": error,
        "stops": batch.status in UNDER_WAY,
    }
    return render(request, "batches/batch_delete.html", context, status=422 if error else 200)


def _deleted(request: SignedInRequest) -> QuerySet[Batch]:
    """What this person could have back: their own, an administrator all."""
    return Batch.objects.deleted_of(request.user).select_related("owner", "deleted_by")


@require_safe
@login_required
@never_cache
def trash_list(request: SignedInRequest) -> HttpResponse:
    return render(request, "batches/trash_list.html", {"batches": _deleted(request).order_by("-deleted_at")[:200]})


@require_POST
@login_required
def trash_restore(request: SignedInRequest, pk: int) -> HttpResponse:
    batch = get_object_or_404(_deleted(request), pk=pk)
    trash.restore(batch, request.user)
    messages.success(request, _("“%(name)s” is back.") % {"name": batch.name})
    return redirect("batch_upload" if batch.is_draft else "batch_detail", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def trash_empty(request: SignedInRequest, pk: int) -> HttpResponse:
    """For good, once asked again."""
    batch = get_object_or_404(_deleted(request), pk=pk)
    if request.method == "POST":
        trash.erase(batch, request.user)
        messages.success(request, _("“%(name)s” and its scans are deleted for good.") % {"name": batch.name})
        return redirect("trash_list")
    return render(request, "batches/trash_empty.html", {"batch": batch})
