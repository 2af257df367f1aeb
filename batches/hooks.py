"""What webhooks are told, written in the transaction in which it happens, under the batch's lock.

Sent by drain/telling.py. A payload holds names, counters and an address of a batch: nothing that stands on a card.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from batches import clock
from batches.models import Batch, Delivery, Webhook
from batches.states import BatchStatus, PauseReason

KEPT = timedelta(days=30)
COUNTED = ("total", "completed", "failed", "skipped", "cancelled", "to_check", "reviewed")
# A batch whose engine is down is let go on, as a probe, every minute: such a pause is told once an hour.
_ONE_OUTAGE = timedelta(hours=1)

Event = Webhook.Event
OF_STATUS = {BatchStatus.PAUSED: Event.PAUSED, BatchStatus.FAILED: Event.FAILED}


def tell(batch: Batch, events: Collection[str]) -> None:
    """`batch` as it stands after what happened."""
    wanted = Q(batches=Webhook.Batches.ALL) | Q(owner=batch.owner_id)
    hooks = Webhook.objects.filter(wanted, enabled=True).select_related("owner")
    Delivery.objects.bulk_create(
        Delivery(webhook=hook, event=event, batch=batch, payload=_payload(batch, event), next_at=clock.now())
        for hook in hooks
        if may_be_told(hook, batch.pk)
        for event in events
        if event in hook.events and not _known(hook, batch, event)
    )


def _known(hook: Webhook, batch: Batch, event: str) -> bool:
    if event != Event.PAUSED or batch.pause_reason != PauseReason.ENDPOINT:
        return False
    same = hook.deliveries.filter(batch=batch, event=event, at__gte=timezone.now() - _ONE_OUTAGE)
    return same.filter(payload__reason=PauseReason.ENDPOINT).exists()


def may_be_told(hook: Webhook, batch_id: int | None) -> bool:
    """Whether its owner, who may have been deactivated, may still see this batch."""
    return hook.owner.is_active and Batch.objects.visible_to(hook.owner).filter(pk=batch_id or 0).exists()


def _payload(batch: Batch, event: str) -> dict[str, Any]:
    counted = {name: getattr(batch, name) for name in COUNTED}
    about = {
        "id": batch.pk,
        "uid": batch.uid,
        "name": batch.name,
        "label": batch.label,
        "status": batch.status,
        "owner": batch.owner.get_username(),
        "url": settings.SITE.origins[0] + reverse("batch_detail", args=[batch.pk]),
    }
    told: dict[str, Any] = {"event": str(event), "at": timezone.now().isoformat(), "batch": {**about, **counted}}
    if event == Event.PAUSED:
        told |= {"reason": batch.pause_reason, "message": batch.pause_message}
    return told


def forget_old() -> None:
    """Called by the sweeper."""
    Delivery.objects.filter(at__lt=timezone.now() - KEPT).delete()
