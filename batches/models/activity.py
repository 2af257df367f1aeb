"""Who did what to a batch, and when."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch
from batches.models.card import Card


class ActivityQuerySet(models.QuerySet["Activity"]):
    def visible_to(self, user: Any) -> ActivityQuerySet:
        """Acts on batches that this person may look at."""
        return self.filter(batch__in=Batch.objects.visible_to(user))


class Activity(models.Model):
    """One act of a person, or several of the same kind in a row. Written by batches/actions/activity.py alone."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="activities", db_index=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False
    )
    at = models.DateTimeField(default=timezone.now)  # of the last of them
    kind = models.CharField(max_length=24)  # a word of its action; activity_words says it in a sentence
    count = models.PositiveIntegerField(default=1)  # cards, files, values: whatever the kind is about
    what = models.JSONField(default=dict)
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = ActivityQuerySet.as_manager()

    class Meta:
        ordering = ("-at", "-id")
        verbose_name = _("act")
        verbose_name_plural = _("activity")
        indexes = (
            models.Index(fields=("batch", "-at", "-id"), name="activity_batch"),
            models.Index(fields=("-at", "-id"), name="activity_feed"),
            models.Index(fields=("by", "-at"), name="activity_by"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M}"


class ActedCard(models.Model):
    """A card that an act has changed: how it was, and by which version it is known to be untouched since."""

    activity = models.ForeignKey(Activity, on_delete=models.CASCADE, related_name="cards")
    card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="+")
    version = models.BigIntegerField()
    before = models.JSONField(default=dict)  # columns of the card

    class Meta:
        verbose_name = _("card of an act")
        verbose_name_plural = _("cards of acts")

    def __str__(self) -> str:
        return f"{self.activity_id}: {self.card_id}"
