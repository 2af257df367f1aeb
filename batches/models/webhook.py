"""Addresses that are told what happens to batches, and each telling: its row is the queue."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def visible_to(self, user: Any) -> WebhookQuerySet:
        """The person's own; administrators see all."""
        if not user.is_authenticated:
            return self.none()
        return self if user.is_administrator else self.filter(owner=user)


class Webhook(models.Model):
    class Event(models.TextChoices):
        FINISHED = "batch.finished", _("a batch is finished")
        FAILED = "batch.failed", _("a batch cannot go on")
        PAUSED = "batch.paused", _("a batch is paused")
        REVIEWED = "batch.reviewed", _("nothing is left to check")

    class Batches(models.TextChoices):
        OWN = "own", _("my own batches")
        ALL = "all", _("all batches that I may see")

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhooks")
    address = models.CharField(_("address"), max_length=1000)
    sealed_secret = models.TextField(editable=False)  # by ocr.sealing; told once
    events = models.JSONField(default=list)
    batches = models.CharField(max_length=3, choices=Batches, default=Batches.OWN)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.address

    @property
    def event_labels(self) -> list[str]:
        return [str(self.Event(event).label) for event in self.events if event in self.Event.values]


class Delivery(models.Model):
    """One event for one webhook. Written by batches/hooks.py where it happens, sent by the consumer."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DELIVERED = "delivered", _("delivered")
        GIVEN_UP = "given_up", _("given up")
        WITHHELD = "withheld", _("withheld")  # its owner may not see the batch any more

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    event = models.CharField(max_length=20, choices=Webhook.Event)
    batch = models.ForeignKey(Batch, null=True, on_delete=models.SET_NULL, related_name="+")
    payload = models.JSONField()
    status = models.CharField(max_length=9, choices=Status, default=Status.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(null=True, default=timezone.now)  # null: not to be sent
    tried_at = models.DateTimeField(null=True)
    code = models.PositiveSmallIntegerField(null=True)  # of the last answer
    seconds = models.FloatField(null=True)  # until it came, or the try had failed
    problem = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "deliveries"
        indexes = (
            models.Index(fields=("next_at",), condition=~Q(next_at=None), name="delivery_due"),
            models.Index(fields=("webhook", "-id"), name="delivery_list"),
            models.Index(fields=("at",), name="delivery_age"),
        )

    def __str__(self) -> str:
        return f"{self.event} {self.status}"
