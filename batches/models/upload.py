"""Files as they were sent."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch
from batches.states import UploadStatus


class UploadQuerySet(models.QuerySet["Upload"]):
    def visible_to(self, user: Any) -> UploadQuerySet:
        return self.filter(batch__in=Batch.objects.visible_to(user))

    def editable_by(self, user: Any) -> UploadQuerySet:
        return self.filter(batch__in=Batch.objects.editable_by(user))


class Upload(models.Model):
    """A file as it was sent, and what came of it. Written by batches/intake/{uploads,parts,opening}.py alone."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="uploads")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="members")
    client_key = models.CharField(max_length=64, blank=True)  # the sender's: sent again, a file stands once
    name = models.CharField(max_length=500)  # as sent, with its folder
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=10, choices=UploadStatus, default=UploadStatus.RECEIVING)
    received = models.BigIntegerField(default=0)  # bytes on the disk, of a file that comes in parts
    pages_done = models.PositiveIntegerField(default=0)  # of a file being opened: how far that has come
    pages_total = models.PositiveIntegerField(default=0)
    cards_made = models.PositiveIntegerField(default=0)
    code = models.CharField(max_length=40, blank=True)  # of the refusal, as in the API
    message = models.TextField(blank=True)  # its words; of a duplicate, the name of the other
    dismissed = models.BooleanField(default=False)  # a person has seen it: it is off the list, not out of the table
    created_at = models.DateTimeField(auto_now_add=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("file")
        verbose_name_plural = _("files")
        constraints = (
            models.UniqueConstraint(
                fields=("batch", "client_key"), condition=~Q(client_key=""), name="upload_client_key_once"
            ),
        )
        indexes = (
            models.Index(fields=("batch", "status", "-id"), name="upload_status"),
            models.Index(fields=("batch", "sha256"), name="upload_sha256"),
            models.Index(fields=("id",), condition=Q(status="opening"), name="upload_opening"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def percent(self) -> int:
        """How far it has been received or opened."""
        if self.status == UploadStatus.RECEIVING:
            return 100 * self.received // (self.size or 1)
        return min(100, 100 * self.pages_done // (self.pages_total or 1))
