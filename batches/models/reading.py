"""What was read of cards, what each call was, what people corrected."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch
from batches.models.card import Card
from batches.states import ResultState
from ocr.models import Engine
from templates_app.models import FieldTemplateVersion


class CardResult(models.Model):
    """One reading of a card. `fields` is the machine's and never changes; `values` is what holds now.

    Regions lie on the scan as it stands: where a person turns it, they are turned, too.
    """

    card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="results")
    state = models.CharField(max_length=10, choices=ResultState, default=ResultState.CURRENT)
    engine = models.ForeignKey(Engine, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    engine_name = models.CharField(max_length=80, blank=True)
    model = models.CharField(max_length=200, blank=True)
    revision = models.CharField(max_length=100, blank=True)  # of the model, where the endpoint tells it
    prompt_hash = models.CharField(max_length=64, blank=True)
    schema_hash = models.CharField(max_length=64, blank=True)
    # The image's bytes and everything that they were read with: the same again need not be paid again.
    read_key = models.CharField(max_length=64, blank=True)
    taken_from = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    rereading = models.ForeignKey("Rereading", null=True, blank=True, on_delete=models.SET_NULL, related_name="results")
    template_version = models.ForeignKey(FieldTemplateVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    # {key: {"verbatim", "value", "state", "confidence", "regions": [[x, y, width, height]], "issues": []}}
    fields = models.JSONField(default=dict)
    values = models.JSONField(default=dict)  # {key: str | None}
    # {key: {"by": a user's key, "at"}}: a person has said of these values that they are right; void once they change.
    checks = models.JSONField(default=dict, blank=True)
    confidence = models.FloatField(null=True, blank=True)  # the lowest of the active fields, in all entries
    transcription = models.TextField(blank=True)
    pictures = models.TextField(blank=True)  # what they show
    summary = models.TextField(blank=True)  # in a sentence
    # Where several entries stand on one card: each {key: as in `fields`}; null: one was asked for.
    entries = models.JSONField(null=True, blank=True)
    # What persons made of `entries`: see arrangement(); null: nobody touched them. What the machine read stays there.
    arranged = models.JSONField(null=True, blank=True)
    by_hand = models.BooleanField(default=False)
    turned = models.PositiveSmallIntegerField(default=0)  # degrees clockwise, by a person, since it was read
    back_turned = models.PositiveSmallIntegerField(default=0)
    search = models.TextField(blank=True)  # values and transcription, folded, for the text filter
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = _("result")
        verbose_name_plural = _("results")
        indexes = (models.Index(fields=("read_key",), condition=~Q(read_key=""), name="result_read_key"),)

    def __str__(self) -> str:
        return f"{self.card_id}: {self.created_at:%Y-%m-%d %H:%M}"

    def values_of_entries(self) -> list[dict[str, str | None]]:
        """The values that hold now, entry by entry: the first one's are the card's. None where nothing was found."""
        further = [one["values"] for one in self.standing()[1:]]
        return [self.values, *further] if further or any(self.values.values()) else []

    def standing(self) -> list[dict[str, Any]]:
        """Its entries without those that a person took out; each {"place", "machine", "values", "checked", "out"}.

        `place`: where it stands in `arranged`; `machine`: its number in `entries`, null for one that a person added.
        """
        return [one | {"place": place} for place, one in enumerate(self.arrangement()) if not one["out"]]

    def arrangement(self) -> list[dict[str, Any]]:
        """What persons made of the entries, the first one with the card's values; as read where nobody touched them."""
        if self.arranged is not None:
            return [one | ({"values": self.values} if place == 0 else {}) for place, one in enumerate(self.arranged)]
        read = [{key: field.get("value") for key, field in entry.items()} for entry in (self.entries or ({},))[1:]]
        return [
            {"machine": None if self.entries == [] else number, "values": values, "checked": False, "out": False}
            for number, values in enumerate([self.values, *read])
        ]

    def machine_of(self, entry: int) -> dict[str, Any]:
        """The fields as the machine read them, of an entry that stands, from 1; empty for one that a person added."""
        number = self.standing()[entry - 1]["machine"]
        if number is None:
            return {}
        if self.entries is None or entry == 1:  # one reading at most, wherever it stands by now
            return dict(self.fields)
        return dict(self.entries[number])


class Rereading(models.Model):
    """Cards that were read are read again, with other means; what comes of it stands beside what there is."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="rereadings")
    engine = models.ForeignKey(Engine, on_delete=models.PROTECT, related_name="+")
    model = models.CharField(max_length=200, blank=True)
    template_version = models.ForeignKey(
        FieldTemplateVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    fields = models.JSONField(default=list)  # that are asked for: FieldSpec.to_dict() each, in order
    instruction = models.TextField(blank=True)
    prompt = models.TextField(blank=True)
    key_of = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    only_new = models.BooleanField(default=False)  # the fields alone that the cards do not have yet
    total = models.PositiveIntegerField(default=0)
    equal = models.PositiveIntegerField(default=0)
    different = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)  # they keep what they had
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = _("re-reading")
        verbose_name_plural = _("re-readings")

    def __str__(self) -> str:
        return f"{self.batch}, {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def left(self) -> int:
        """Cards of which nothing came yet, or which a stop has left."""
        return max(0, self.total - self.equal - self.different - self.failed)


class CardValue(models.Model):
    """What a card is sorted by: a value of the result that holds, or how sure the engine was of it.

    Written by the database alone: batches/models/indexing.py. Cards without a value have no row.
    """

    card = models.ForeignKey(Card, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False)
    batch = models.ForeignKey(Batch, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False)
    position = models.PositiveIntegerField()  # the card's
    key = models.CharField(max_length=64)  # a field's; indexing.SURE
    number = models.FloatField()  # indexing.TEXT_AFTER_NUMBERS for what is none
    text = models.CharField(max_length=80)  # its beginning, lower-case

    class Meta:
        constraints = (models.UniqueConstraint(fields=("card", "key"), name="card_value_once"),)
        indexes = (
            models.Index(fields=("batch", "key", "number", "text", "position", "card"), name="card_value_sorted"),
        )

    def __str__(self) -> str:
        return f"{self.card_id} {self.key}"


class Attempt(models.Model):
    """One call to an engine, whatever came of it."""

    card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="attempts")
    result = models.ForeignKey(CardResult, null=True, blank=True, on_delete=models.SET_NULL, related_name="attempts")
    claim = models.PositiveIntegerField(default=0)
    worker_uid = models.CharField(max_length=32, blank=True)
    engine = models.ForeignKey(Engine, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    engine_name = models.CharField(_("engine"), max_length=80)
    model = models.CharField(_("model"), max_length=200, blank=True)
    revision = models.CharField(max_length=100, blank=True)
    prompt_hash = models.CharField(max_length=64, blank=True)
    schema_hash = models.CharField(max_length=64, blank=True)
    started_at = models.DateTimeField(_("started"))
    duration = models.FloatField(_("seconds"), default=0)
    error = models.CharField(_("error"), max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    counted = models.BooleanField(_("counts as a try"), default=True)
    finish_reason = models.CharField(max_length=40, blank=True)
    raw_reply = models.TextField(_("raw reply"), blank=True)
    unknown_keys = models.PositiveIntegerField(_("keys that nobody asked for"), default=0)  # dropped
    tokens_in = models.PositiveIntegerField(null=True, blank=True)  # the cached ones among them
    tokens_cached = models.PositiveIntegerField(null=True, blank=True)
    tokens_out = models.PositiveIntegerField(null=True, blank=True)  # the thinking ones among them
    tokens_thinking = models.PositiveIntegerField(null=True, blank=True)
    cost = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        indexes = (models.Index(fields=("card", "-id"), name="attempt_card"),)

    def __str__(self) -> str:
        return f"{self.engine_name} {self.started_at:%Y-%m-%d %H:%M:%S}"


class FieldRevision(models.Model):
    """One correction of one value: who, when, from, to."""

    card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="revisions")
    key = models.CharField(max_length=50)
    entry = models.PositiveSmallIntegerField(default=1)  # of several on the card
    old = models.TextField(null=True)
    new = models.TextField(null=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    by_hand = models.BooleanField(default=False)  # entered where the machine read nothing
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-id",)
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")
        indexes = (models.Index(fields=("card", "-id"), name="revision_card"),)

    def __str__(self) -> str:
        return f"{self.key}: {self.old!r} → {self.new!r}"


class Spending(models.Model):
    """What an engine has cost in a month, over all batches. Written with the attempts."""

    engine = models.ForeignKey(Engine, on_delete=models.CASCADE, related_name="spendings")
    month = models.DateField()  # its first day, in UTC
    calls = models.PositiveIntegerField(_("calls"), default=0)  # that may have cost something
    unpriced = models.PositiveIntegerField(_("calls of unknown cost"), default=0)
    tokens_in = models.BigIntegerField(default=0)
    tokens_cached = models.BigIntegerField(default=0)
    tokens_out = models.BigIntegerField(default=0)
    tokens_thinking = models.BigIntegerField(default=0)
    cost = models.DecimalField(max_digits=14, decimal_places=6, default=0)

    class Meta:
        ordering = ("-month", "engine")
        verbose_name = _("spending")
        verbose_name_plural = _("spendings")
        constraints = (models.UniqueConstraint(fields=("engine", "month"), name="spending_month_once"),)

    def __str__(self) -> str:
        return f"{self.engine}, {self.month:%Y-%m}"
