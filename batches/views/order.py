"""The order of a draft's cards."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from batches.actions import drafts, files
from batches.models import Batch
from batches.views.uploads import scans_changed
from cardocr_site.accounts.requests import SignedInRequest


@require_POST
@login_required
def card_move(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """One place up or down, or to the place that was typed. A card that is gone stays where it is."""
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    problem = ""
    try:
        for card in batch.cards.filter(pk=card_pk):
            drafts.move_card(batch, card, request.POST.get("to", ""), request.user)
    except drafts.Refused as refused:
        problem = str(refused)
    return scans_changed(request, batch, problem)


@require_POST
@login_required
def cards_order(request: SignedInRequest, pk: int) -> HttpResponse:
    """The natural order again; `settle`: after files were sent, and only where no person has laid another."""
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    problem = ""
    try:
        if "settle" in request.POST:
            files.settle(batch)
        else:
            drafts.order_cards(batch, request.user)
    except drafts.BatchLocked as locked:
        problem = str(locked)
    return scans_changed(request, batch, problem)
