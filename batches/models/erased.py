"""What is left of a card that was erased for good: that there was one, and where."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch


class ErasedCard(models.Model):
    """Holds nothing of what stood on the card. The other cards of a started batch keep their numbers."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="erased")
    card_id = models.BigIntegerField()  # a key that no row has any more
    position = models.PositiveIntegerField()
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    # What is still to be deleted from the disk: {"filenames", "sources", "held"}; empty once it is.
    files: models.JSONField[Any, Any] = models.JSONField(default=dict)
    cleaned_at = models.DateTimeField(null=True, blank=True)  # nothing is left in unused pages of the database, either

    class Meta:
        ordering = ("-id",)
        verbose_name = _("erased card")
        verbose_name_plural = _("erased cards")
        constraints = (models.UniqueConstraint(fields=("batch", "card_id"), name="card_erased_once"),)
        indexes = (models.Index(fields=("id",), condition=Q(cleaned_at=None), name="erased_unclean"),)

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.position}"
