"""From what an address names to a row that its caller may know of."""

from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from batches.models import Batch, BatchQuerySet, Card
from cardocr_site.contract import Refused, not_found


def named(batches: BatchQuerySet, name: str) -> Batch:
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
    return named(Batch.objects.visible_to(user), name)


def _allowed(request: HttpRequest, name: str, mine: BatchQuerySet, message: str) -> Batch:
    """Not found to those who may not see it, not allowed to those who may."""
    batch = visible(request, name)
    if not mine.filter(pk=batch.pk).exists():
        raise Refused("PERMISSION_DENIED", message)
    return batch


def correctable(request: HttpRequest, name: str) -> Batch:
    """Raises Refused."""
    user: Any = request.user
    message = _("You may look at this batch, and not correct it.")
    return _allowed(request, name, Batch.objects.correctable_by(user), message)


def editable(request: HttpRequest, name: str) -> Batch:
    """Raises Refused."""
    user: Any = request.user
    message = _("You may look at this batch, and not change it.")
    return _allowed(request, name, Batch.objects.editable_by(user), message)


def owned(request: HttpRequest, name: str) -> Batch:
    """Raises Refused."""
    user: Any = request.user
    message = _("Only its owner and administrators may do that.")
    return _allowed(request, name, Batch.objects.owned_by(user), message)


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
