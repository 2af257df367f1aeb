"""Webhooks are made, switched, removed, and what they were told is told again."""

import secrets
from collections.abc import Collection

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from batches.models import Delivery, Webhook
from cardocr_site.accounts.models import User
from ocr import addresses, sealing

MOST = 20  # of one person
PREFIX = "whsec_"


class Unusable(ValueError):
    """What is wrong with one of the inputs, for a person."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def add(user: User, address: str, events: Collection[str], batches: str) -> tuple[Webhook, str]:
    """The row, and the secret, which nothing tells again. Raises Unusable."""
    chosen = [event for event in Webhook.Event.values if event in events]
    if not chosen:
        raise Unusable("events", _("Choose at least one event."))
    try:
        addresses.check(address, settings.ALLOW_PRIVATE_ENGINES)
    except ValueError as error:
        raise Unusable("address", str(error)) from error
    if user.webhooks.count() >= MOST:
        raise Unusable("address", _("You have %(n)s webhooks already: remove one first.") % {"n": MOST})
    secret = PREFIX + secrets.token_urlsafe(32)
    row = Webhook.objects.create(
        owner=user, address=address, events=chosen, batches=batches, sealed_secret=sealing.seal(secret)
    )
    return row, secret


def replay(delivery: Delivery) -> None:
    """Once more, at once, with all its tries; also one that arrived. Its id stays the same."""
    Delivery.objects.filter(pk=delivery.pk).update(
        status=Delivery.Status.WAITING, tries=0, next_at=timezone.now(), problem=""
    )
