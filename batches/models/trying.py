"""Cards of a draft that its fields and its engine are tried on, before anything is started."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch
from batches.models.card import Card
from batches.models.reading import CardResult


class TryOut(models.Model):
    """The last one of a batch: asking again replaces it. The readings stay with their cards until the start."""

    batch = models.OneToOneField(Batch, on_delete=models.CASCADE, related_name="tryout")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    # Who has said that the readings were compared with the scans, and started the batch with that word.
    compared_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    compared_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("try-out")
        verbose_name_plural = _("try-outs")

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.asked_at:%Y-%m-%d %H:%M}"


class TryCard(models.Model):
    """A card that is tried, until it is finished: the row is the queue."""

    tryout = models.ForeignKey(TryOut, on_delete=models.CASCADE, related_name="cards")
    card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="+")
    place = models.PositiveSmallIntegerField(default=0)
    worker = models.CharField(max_length=32, blank=True)  # the uid of the process that reads it
    not_before = models.DateTimeField(null=True, blank=True)  # back-off between tries
    tries = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)
    duration = models.FloatField(null=True, blank=True)  # seconds of the last call
    cost = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)  # null: not known
    result = models.ForeignKey(CardResult, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    fields: models.JSONField[Any, Any] = models.JSONField(default=list)  # that were asked for, as in the batch
    error = models.CharField(max_length=40, blank=True)  # ocr.errors' `reason`
    error_message = models.TextField(blank=True)

    class Meta:
        ordering = ("place", "pk")
        constraints = (models.UniqueConstraint(fields=("tryout", "card"), name="try_card_once"),)
        indexes = (models.Index(fields=("id",), condition=models.Q(finished_at=None), name="try_card_open"),)

    def __str__(self) -> str:
        return f"{self.tryout_id}: {self.card_id}"
