"""Cards drawn at random, what administrators tell the owner of a batch, and the card that a template shows."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch
from batches.models.card import Card
from templates_app.models import FieldTemplate


class Sample(models.Model):
    """A draw from the cards of a batch that nobody had looked at. With seed and population it can be done again."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="samples")
    seed = models.BigIntegerField()
    size = models.PositiveIntegerField()
    population = models.PositiveIntegerField()  # cards that it was drawn from
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = _("sample")
        verbose_name_plural = _("samples")

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.size} / {self.population}"


class DrawnCard(models.Model):
    """A card of a sample, with the values that it had then: what is changed in them is what the engine had wrong."""

    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="drawn")
    card = models.OneToOneField(Card, on_delete=models.CASCADE, related_name="drawn")
    values = models.JSONField(default=dict)

    class Meta:
        ordering = ("sample", "id")
        verbose_name = _("card of a sample")
        verbose_name_plural = _("cards of samples")

    def __str__(self) -> str:
        return f"{self.sample_id}: {self.card_id}"


class Notice(models.Model):
    """What an administrator tells the owner about problems of a batch; it stands on its page until it is put away."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="notices")
    cause = models.CharField(max_length=40, blank=True)  # ocr.errors' `reason`, where it is about one
    text = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ("-id",)
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes = (models.Index(fields=("batch",), condition=Q(done_at=None), name="notice_open"),)

    def __str__(self) -> str:
        return self.text[:60]


class TemplateSample(models.Model):
    """The card that is shown beside the fields of a template, to those who may see its batch."""

    template = models.OneToOneField(FieldTemplate, on_delete=models.CASCADE, related_name="sample")
    card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="sample_of")

    class Meta:
        verbose_name = _("sample scan of a template")
        verbose_name_plural = _("sample scans of templates")

    def __str__(self) -> str:
        return f"{self.template_id}: {self.card_id}"
