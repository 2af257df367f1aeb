"""A card that must not be kept."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from batches.actions import erasing
from batches.api import found
from cardocr_site.contract import Refused, Reply, fails, not_found, reply

router = Router(tags=["Results"])


@router.delete("/batches/{batch_id}/cards/{int:card_id}", response={200: Reply[None], **fails("BATCH_STATE_INVALID")})
def erase_card(request: HttpRequest, batch_id: str, card_id: int) -> Any:
    """Erase one card for good: scan, results, replies, history. Nobody can bring it back.

    For owner and administrators. A note without content stays: that there was a card, where, and who erased it. A file
    that other cards are pages of stays until the last of them is erased.
    """
    user: Any = request.user
    card = found.card(found.owned(request, batch_id), str(card_id))
    if card.pk != card_id:  # a stored name of digits alone
        raise not_found()
    try:
        erasing.erase(card, user)
    except erasing.BeingRead as error:
        raise Refused(error.code, error.message) from error
    return reply(None)
