"""From what an address names to a row that its caller may know of."""

from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from batches.models import Batch, BatchQuerySet, Card
from cardocr_site.contract import Refused, not_found


def _named(batches: BatchQuerySet, name: str) -> Batch:
    """By integer id, uid or label. Raises Refused."""
    text = name.replace("\x00", "")
    wanted = Q(uid=text) | Q(label=text)
    if text.isascii() and text.isdecimal() and len(text) < 19:
        wanted |= Q(pk=int(text))
    found = batches.filter(wanted).select_related("owner", "engine", "template_version__template").order_by("pk")[:2]
    if not found:
        raise not_found()
    return found[0]


def visible(request: HttpRequest, name: str) -> Batch:
    user: Any = request.user
    return _named(Batch.objects.visible_to(user), name)


def editable(request: HttpRequest, name: str) -> Batch:
    """Raises Refused: not found to those who may not see it, not allowed to those who may."""
    user: Any = request.user
    batch = visible(request, name)
    if not Batch.objects.editable_by(user).filter(pk=batch.pk).exists():
        raise Refused("PERMISSION_DENIED", _("You may look at this batch, and not change it."))
    return batch


def card(batch: Batch, name: str) -> Card:
    """By the card's id or its stored name. Raises Refused."""
    text = name.replace("\x00", "")
    wanted = Q(filename=text)
    if text.isascii() and text.isdecimal() and len(text) < 19:
        wanted |= Q(pk=int(text))
    found = batch.cards.filter(wanted).select_related("result", "reviewed_by").order_by("pk").first()
    if found is None:
        raise not_found()
    return found
