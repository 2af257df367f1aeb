"""What lies between a card and what people say about it: typing that is not accepted, who is at it, notes."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch
from batches.models.card import Card


class Draft(models.Model):
    """What a person has typed on a card and not accepted yet. It outlives the page, the tab and the session."""

    card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="drafts")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    values = models.JSONField(default=dict)  # {key: [the value that stood there, what was typed]}
    at = models.DateTimeField()

    class Meta:
        verbose_name = _("draft")
        verbose_name_plural = _("drafts")
        constraints = (models.UniqueConstraint(fields=("card", "user"), name="draft_once"),)

    def __str__(self) -> str:
        return f"{self.card_id}: {self.user_id}"


class Lease(models.Model):
    """Somebody has a card before them. It keeps nobody from saving; others are told, and pass the card over."""

    card = models.OneToOneField(Card, on_delete=models.CASCADE, related_name="lease")
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="+", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    until = models.DateTimeField()

    class Meta:
        verbose_name = _("lease")
        verbose_name_plural = _("leases")
        indexes = (models.Index(fields=("batch", "until"), name="lease_batch"),)

    def __str__(self) -> str:
        return f"{self.card_id}: {self.user_id}"


class Note(models.Model):
    """Why somebody wants a card to be looked at again. Open until the card is found right."""

    card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="notes")
    text = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        indexes = (models.Index(fields=("card",), condition=Q(closed_at=None), name="note_open"),)

    def __str__(self) -> str:
        return self.text[:60]
