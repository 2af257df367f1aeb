"""One card, erased for good: asked once more, then done."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from batches.actions import erasing
from batches.views.results import card_of, may, owned
from cardocr_site.accounts.requests import SignedInRequest


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def card_erase(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    batch = owned(request, pk)
    card = card_of(batch, card_pk)
    problem = ""
    if request.method == "POST":
        try:
            erasing.erase(card, request.user)
        except erasing.BeingRead as error:
            problem = error.message
        else:
            messages.success(request, _("Card %(n)s is erased for good.") % {"n": card.position})
            return redirect("batch_upload" if batch.is_draft else "batch_results", pk)
    context = {"batch": batch, "card": card, "problem": problem, "shared": erasing.shares(card), **may(request, batch)}
    return render(request, "batches/card_erase.html", context, status=409 if problem else 200)
