"""Webhooks are made, switched, removed, and what they were told is told again; each has its entry in the audit log.

An address may hold a secret, as those of chats do: the log keeps its host alone.
"""

import secrets
from collections.abc import Collection
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from batches import clock
from batches.models import Delivery, Webhook
from cardocr_site.accounts import audit
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
    with transaction.atomic():
        row = Webhook.objects.create(
            owner=user, address=address, events=chosen, batches=batches, sealed_secret=sealing.seal(secret)
        )
        _record("webhook_made", row, user, events=chosen, batches=str(batches))
    return row, secret


def switch(hook: Webhook, by: User, enabled: bool) -> None:
    with transaction.atomic():
        if Webhook.objects.filter(pk=hook.pk, enabled=not enabled).update(enabled=enabled):
            _record("webhook_on" if enabled else "webhook_off", hook, by)
    hook.enabled = enabled


def remove(hook: Webhook, by: User) -> None:
    """With what it was told, and what it was still to be told."""
    with transaction.atomic():
        _record("webhook_removed", hook, by)
        hook.delete()


def replay(delivery: Delivery, by: User) -> None:
    """Once more, at once, with all its tries; also one that arrived. Its id stays the same."""
    with transaction.atomic():
        Delivery.objects.filter(pk=delivery.pk).update(
            status=Delivery.Status.WAITING, tries=0, next_at=clock.now(), problem=""
        )
        _record("webhook_replayed", delivery.webhook, by, event=delivery.event, delivery=str(delivery.uid))


def _record(act: str, hook: Webhook, by: User, **details: Any) -> None:
    """`user`: whose it is, where an administrator does that to somebody else's."""
    told = details | ({} if hook.owner_id == by.pk else {"user": hook.owner.get_username()})
    audit.record(act, by=by, of=hook, name=addresses.host_of(hook.address), details=told)
