"""The image of a card."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from batches import pictures
from batches.models import Card


@require_safe
@login_required
def card_image(request: HttpRequest, pk: int, card_pk: int, size: str) -> HttpResponseBase:
    """404 while the image is not made: a page draws its placeholder as long as `card.prepared_at` is empty."""
    cards = Card.objects.visible_to(request.user).select_related("batch")
    return pictures.show(request, get_object_or_404(cards, pk=card_pk, batch_id=pk), size)
