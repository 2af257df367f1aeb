"""Addresses that are told what happens to batches. How they are told, and how one checks by whom: docs/webhooks.md."""

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status

from batches.actions import webhooks as actions
from batches.models import Delivery, Webhook
from cardocr_site.contract import (
    Closed,
    Listed,
    Paging,
    Refused,
    Reply,
    Text,
    invalid,
    listed,
    not_found,
    reply,
    tell_secret,
)

router = Router(tags=["Webhooks"])

Event = Literal["batch.finished", "batch.failed", "batch.paused", "batch.reviewed"]


class WebhookIn(Closed):
    address: Text = Field(max_length=1000, examples=["https://catalogue.example.org/cardocr"])
    events: list[Event] = Field(
        default=["batch.finished", "batch.failed", "batch.paused", "batch.reviewed"], min_length=1, max_length=20
    )
    batches: Webhook.Batches = Field(Webhook.Batches.OWN, description="own: those one owns; all: those one may see.")


class WebhookChange(Closed):
    enabled: bool


class WebhookOut(Schema):
    id: int
    owner: str
    address: str
    events: list[Event]
    batches: Webhook.Batches
    enabled: bool
    created_at: datetime


class WebhookMade(WebhookOut):
    secret: str = Field(description="Signs what is sent. Told this once.")


class DeliveryOut(Schema):
    id: int
    delivery: str = Field(description="As in the header X-Cardocr-Delivery.")
    event: Event
    status: Delivery.Status
    tries: int
    payload: dict[str, Any]
    created_at: datetime
    tried_at: datetime | None
    next_at: datetime | None = Field(description="When it is tried next; null: it is not.")
    code: int | None = Field(description="The status of the last answer; null: there was none.")
    seconds: float | None
    problem: str


def _out(hook: Webhook) -> dict[str, Any]:
    same = ("address", "events", "batches", "enabled", "created_at")
    return {name: getattr(hook, name) for name in same} | {"id": hook.pk, "owner": hook.owner.get_username()}


def _delivery(row: Delivery) -> dict[str, Any]:
    same = ("event", "status", "tries", "payload", "tried_at", "next_at", "code", "seconds", "problem")
    return {name: getattr(row, name) for name in same} | {
        "id": row.pk,
        "delivery": str(row.uid),
        "created_at": row.at,
    }


def _visible(request: HttpRequest, webhook_id: int) -> Webhook:
    """Raises Refused."""
    rows = Webhook.objects.visible_to(request.user).select_related("owner")
    found = rows.filter(pk=webhook_id).first() if webhook_id < 2**63 else None
    if found is None:
        raise not_found()
    return found


@router.get("/webhooks", response=Reply[Listed[WebhookOut]])
def list_webhooks(request: HttpRequest, paging: Query[Paging]) -> Any:
    """One's own, newest first; administrators see everybody's."""
    rows = Webhook.objects.visible_to(request.user).select_related("owner")
    shown = listed(rows, "-id", paging.cursor, paging.limit, total=rows.count(), shown=lambda found: map(_out, found))
    return reply(shown)


@router.post("/webhooks", response={201: Reply[WebhookMade]})
def create_webhook(request: HttpRequest, data: WebhookIn) -> Any:
    """An address that is told what happens to batches. The secret that signs it is told this once."""
    user: Any = request.user
    if not user.sees:
        raise Refused("PERMISSION_DENIED", _("Your role sees no batches."))
    try:
        row, secret = actions.add(user, data.address, data.events, data.batches)
    except actions.Unusable as error:
        raise invalid(error.name, str(error)) from error
    return Status(201, tell_secret(request, _out(row) | {"secret": secret}))


@router.patch("/webhooks/{int:webhook_id}", response=Reply[WebhookOut])
def change_webhook(request: HttpRequest, webhook_id: int, data: WebhookChange) -> Any:
    """Switch it off or on. Off, it hears of nothing; what was waiting is sent once it is on again."""
    row = _visible(request, webhook_id)
    user: Any = request.user
    actions.switch(row, user, data.enabled)
    return reply(_out(row))


@router.delete("/webhooks/{int:webhook_id}", response={200: Reply[None]})
def delete_webhook(request: HttpRequest, webhook_id: int) -> Any:
    """With what it was told, and what it was still to be told."""
    user: Any = request.user
    actions.remove(_visible(request, webhook_id), user)
    return reply(None)


@router.get("/webhooks/{int:webhook_id}/deliveries", response=Reply[Listed[DeliveryOut]])
def list_deliveries(request: HttpRequest, webhook_id: int, paging: Query[Paging]) -> Any:
    """What it was told in the last 30 days, and what came of it; newest first."""
    rows = Delivery.objects.filter(webhook=_visible(request, webhook_id))
    return reply(
        listed(rows, "-id", paging.cursor, paging.limit, total=rows.count(), shown=lambda found: map(_delivery, found))
    )


@router.post("/webhooks/{int:webhook_id}/deliveries/{int:delivery_id}/replay", response={202: Reply[DeliveryOut]})
def replay_delivery(request: HttpRequest, webhook_id: int, delivery_id: int) -> Any:
    """Send it once more, under the same id, also where it arrived."""
    rows = Delivery.objects.filter(webhook=_visible(request, webhook_id))
    row = rows.filter(pk=delivery_id).first() if delivery_id < 2**63 else None
    if row is None:
        raise not_found()
    user: Any = request.user
    actions.replay(row, user)
    row.refresh_from_db()
    return Status(202, reply(_delivery(row)))
