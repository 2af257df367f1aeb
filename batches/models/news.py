"""What a person is told in the bell."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch


class NewsQuerySet(models.QuerySet["News"]):
    def visible_to(self, user: Any) -> NewsQuerySet:
        """The person's own, of batches that they may still look at; of the server itself, administrators' own."""
        if not user.is_authenticated:
            return self.none()
        seen = Q(batch__in=Batch.objects.visible_to(user))
        return self.filter(seen | Q(batch=None) if user.is_administrator else seen, user=user)


class News(models.Model):
    """Something that happened to a batch, or to the server, for one person. Written by batches/news.py alone.

    Of the server, an outage is one row: its cause is how it stands now, and OVER in the end.
    """

    OVER = "over"

    class Kind(models.TextChoices):
        FINISHED = "finished", _("Finished")
        PAUSED = "paused", _("Paused")
        FLAGGED = "flagged", _("Flagged")
        TOLD = "told", _("Message")
        INBOX = "inbox", _("From the inbox")
        DISK = "disk", _("Disk")
        CONSUMER = "consumer", _("Consumer")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="news", db_index=False)
    batch = models.ForeignKey(Batch, null=True, on_delete=models.CASCADE, related_name="news", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind)
    cause = models.CharField(max_length=12, blank=True)  # of a pause: its PauseReason; of an outage: see above
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    what = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)  # of the last time, while nobody had seen it
    mail_at = models.DateTimeField(null=True, blank=True)  # null: not to be mailed, or not any more
    mail_tries = models.PositiveSmallIntegerField(default=0)
    seen_at = models.DateTimeField(null=True, blank=True)

    objects = NewsQuerySet.as_manager()

    class Meta:
        ordering = ("-at", "-id")
        verbose_name = _("news")
        verbose_name_plural = _("news")
        indexes = (
            models.Index(fields=("user", "-at", "-id"), name="news_list"),
            models.Index(fields=("user",), condition=Q(seen_at=None), name="news_unseen"),
            models.Index(fields=("batch", "user"), name="news_batch"),
            models.Index(fields=("at",), name="news_age"),
            models.Index(fields=("mail_at",), condition=~Q(mail_at=None), name="news_mail"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("user", "kind"), condition=Q(batch=None) & ~Q(cause="over"), name="news_one_outage"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M}"
