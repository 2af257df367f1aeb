"""What an administrator has looked at in order to delete it, and how far that has come."""

from __future__ import annotations

import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def new_token() -> str:
    return secrets.token_hex(8)


class Clearing(models.Model):
    """A preview; once it is confirmed, the consumer deletes what it names, and nothing else. The rows are the state."""

    class Kind(models.TextChoices):
        FINISHED = "finished", _("Finished batches")
        DRAFTS = "drafts", _("Drafts that were never started")
        TRASH = "trash", _("Batches in the trash")
        REPLIES = "replies", _("Raw replies of engines")
        READINGS = "readings", _("Readings that were replaced")
        LEFTOVERS = "leftovers", _("Sessions, tokens, read notices")

    token = models.CharField(max_length=16, unique=True, default=new_token)
    kind = models.CharField(max_length=10, choices=Kind)
    before = models.DateTimeField()  # what nobody has touched since then
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = _("deletion of what is old")
        verbose_name_plural = _("deletions of what is old")
        indexes = (
            models.Index(
                fields=("id",), condition=Q(finished_at=None, confirmed_at__isnull=False), name="clearing_due"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.made_at:%Y-%m-%d %H:%M}"


class ClearingItem(models.Model):
    """One batch of it, as the preview saw it. Outlives the batch."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waits")
        BEGUN = "begun", _("being deleted")
        ROWS_GONE = "rows_gone", _("files being deleted")
        DONE = "done", _("deleted")
        LEFT = "left", _("left as it is")

    clearing = models.ForeignKey(Clearing, on_delete=models.CASCADE, related_name="items")
    batch = models.BigIntegerField(null=True)  # a key that soon no row has; null: of no batch
    uid = models.CharField(max_length=10, blank=True)
    label = models.CharField(max_length=120, null=True)
    name = models.CharField(max_length=200)
    version = models.BigIntegerField(default=0)  # of the batch: another one means that somebody has been at it since
    cards = models.PositiveIntegerField(default=0)
    reviewed = models.PositiveIntegerField(default=0)
    number = models.PositiveIntegerField(default=0)  # of what is deleted: cards, replies, readings, rows
    bytes = models.BigIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)  # of the number
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    why = models.CharField(max_length=20, blank=True)  # it was left; see actions/clearing.py

    class Meta:
        ordering = ("id",)
        verbose_name = _("part of a deletion")
        verbose_name_plural = _("parts of deletions")
        constraints = (
            models.UniqueConstraint(fields=("clearing", "batch"), condition=~Q(batch=None), name="clearing_batch_once"),
        )

    def __str__(self) -> str:
        return f"{self.clearing_id}: {self.name}"
