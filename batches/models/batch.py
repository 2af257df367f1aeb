"""A set of scans, and what was chosen for it."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from batches.states import BatchStatus, PauseReason
from ocr import people
from ocr.fields import FieldSpec
from ocr.models import Engine
from templates_app import sharing
from templates_app.models import FieldTemplateVersion
from templates_app.sharing import Everybody

_UID_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # none that look alike


def new_uid() -> str:
    return "".join(secrets.choice(_UID_LETTERS) for _ in range(10))


class BatchQuerySet(models.QuerySet["Batch"]):
    """All but the last without those in the trash."""

    def visible_to(self, user: Any) -> BatchQuerySet:
        return self.filter(sharing.seen_by(user, BatchShare.objects.values("batch")), deleted_at=None)

    def correctable_by(self, user: Any) -> BatchQuerySet:
        """Whose values this person may correct and check."""
        return self.filter(sharing.corrected_by(user, BatchShare.objects.values("batch")), deleted_at=None)

    def editable_by(self, user: Any) -> BatchQuerySet:
        """Which this person may fill, set up, start, pause, read again."""
        return self.filter(sharing.changed_by(user, BatchShare.objects.values("batch")), deleted_at=None)

    def owned_by(self, user: Any) -> BatchQuerySet:
        """Which this person may share and delete."""
        return self.filter(sharing.owned_by(user), deleted_at=None)

    def deleted_of(self, user: Any) -> BatchQuerySet:
        """In the trash, for this person to take out again."""
        return self.filter(sharing.owned_by(user), deleted_at__isnull=False, going=False)


class Batch(models.Model):
    """A set of scans read with the same fields. Frozen from its start on. Status: batches/changes.py alone."""

    uid = models.CharField(max_length=10, unique=True, default=new_uid, editable=False)
    name = models.CharField(_("name"), max_length=200)
    collection = models.CharField(_("collection"), max_length=200, blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="batches")
    everybody = models.CharField(_("everybody may"), max_length=4, choices=Everybody, default=sharing.at_first)
    is_sample = models.BooleanField(default=False)
    # The batch whose template, engine and options it was made with, to go on with the next scans.
    continues = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="continued_by")

    status = models.CharField(_("status"), max_length=10, choices=BatchStatus, default=BatchStatus.DRAFT)
    pause_reason = models.CharField(max_length=12, choices=PauseReason, blank=True)
    pause_message = models.TextField(blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)

    order_by_hand = models.BooleanField(default=False)  # otherwise by the natural order of the original names
    inbox = models.CharField(max_length=255, blank=True, editable=False)  # its folder in the inbox, if it has one
    label = models.CharField(max_length=120, null=True, unique=True, editable=False)  # also its folder, once started

    template_version = models.ForeignKey(
        FieldTemplateVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="batches"
    )
    fields = models.JSONField(default=list, blank=True)  # FieldSpec.to_dict() each, in order
    instruction = models.TextField(blank=True)
    prompt = models.TextField(blank=True)  # as frozen by the start
    engine = models.ForeignKey(Engine, null=True, blank=True, on_delete=models.PROTECT, related_name="batches")
    model = models.CharField(max_length=200, blank=True)
    # Whose key its cards are read with, as frozen by the start; null: the engine's own.
    key_of = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    options = models.JSONField(default=dict, blank=True)  # see DEFAULT_OPTIONS

    # One number per visible change, stamped on the changed rows: what makes the live pages lossless.
    version = models.BigIntegerField(default=0)
    reload_after = models.BigIntegerField(default=0)
    # Failed cards stamped up to this version go back to pending; null when done (a whole-batch retry, resumable).
    retry_upto = models.BigIntegerField(null=True, blank=True)

    total = models.PositiveIntegerField(default=0)
    pending = models.PositiveIntegerField(default=0)
    processing = models.PositiveIntegerField(default=0)
    completed = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    blank = models.PositiveIntegerField(default=0)  # of the skipped: nothing stands on them
    not_chosen = models.PositiveIntegerField(default=0)  # of the skipped: a person has left them out before the start
    cancelled = models.PositiveIntegerField(default=0)
    to_check = models.PositiveIntegerField(default=0)
    nothing_found = models.PositiveIntegerField(default=0)
    reviewed = models.PositiveIntegerField(default=0)  # and not to be checked again
    check_again = models.PositiveIntegerField(default=0)  # another reading waits for a person; these are to check, too
    sampled = models.PositiveIntegerField(default=0)  # cards drawn at random, to see how good the rest is
    tokens_in = models.BigIntegerField(default=0)  # the cached ones among them
    tokens_cached = models.BigIntegerField(default=0)
    tokens_out = models.BigIntegerField(default=0)  # the thinking ones among them
    tokens_thinking = models.BigIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0)  # that may have cost something
    unpriced = models.PositiveIntegerField(default=0)  # of them, those whose cost nobody knows
    cost = models.DecimalField(max_digits=14, decimal_places=6, default=0)  # of the others
    currency = models.CharField(max_length=3, blank=True)  # of cost and budget; the engine's, from the start on
    budget = models.DecimalField(_("budget"), max_digits=12, decimal_places=2, null=True, blank=True)
    # So many cards are read first, then the batch waits for a person; null: no pilot, or it is over.
    pilot = models.PositiveIntegerField(null=True, blank=True)
    # Up to this position earlier readings of the same images were looked for; null: that is over.
    compared_upto = models.PositiveIntegerField(null=True, blank=True)
    # Cards that were read are being read again; null: no such run is under way.
    rereading = models.ForeignKey("Rereading", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # How its scans lie, by the text on the last ones: {"rotation": degrees, "agreeing": cards in a row}
    turning = models.JSONField(default=dict, blank=True)
    # Finished cards a minute, oldest first, ≤ 15: [[minute since the epoch, cards], …]; paused minutes are absent.
    pace = models.JSONField(default=list, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    going = models.BooleanField(default=False, editable=False)  # being deleted for good: there is no way back
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        indexes = (
            models.Index(fields=("deleted_at", "-changed_at"), name="batch_changed"),
            models.Index(fields=("status",), name="batch_status"),
            models.Index(fields=("collection",), name="batch_collection"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def private(self) -> bool:
        """Seen by its owner, administrators, and the groups that it is shared with."""
        return self.everybody == Everybody.NONE

    @property
    def is_draft(self) -> bool:
        return self.status == BatchStatus.DRAFT

    @property
    def is_active(self) -> bool:
        return self.status in {BatchStatus.QUEUED, BatchStatus.RUNNING}

    @property
    def chosen(self) -> int:
        """Its work: what a person has left out before the start is none of it."""
        return self.total - self.not_chosen

    @property
    def finished_cards(self) -> int:
        """Of those that were chosen."""
        return self.completed + self.failed + self.skipped - self.not_chosen + self.cancelled

    @property
    def reader(self) -> Engine | None:
        """The engine that its cards are read with now."""
        return self.rereading.engine if self.rereading else self.engine

    @property
    def keyed_engine(self) -> Engine | None:
        """Its engine, to be called with the key that the start has frozen."""
        return people.keyed(self.engine, self.key_of) if self.engine else None

    @property
    def keyed_reader(self) -> Engine | None:
        """The engine that its cards are read with now, with the key that goes with it."""
        again = self.rereading
        return people.keyed(again.engine, again.key_of) if again else self.keyed_engine

    def specs(self, *, active_only: bool = True) -> list[FieldSpec]:
        specs = [FieldSpec.from_dict(data) for data in self.fields]
        return [spec for spec in specs if spec.active] if active_only else specs

    def option(self, name: str) -> Any:
        return self.options.get(name, DEFAULT_OPTIONS[name])


class BatchShare(sharing.Share):
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="shares")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("batch", "group"), name="batch_share_once"),)

    def __str__(self) -> str:
        return f"{self.batch_id}: {self.group_id}"


class Tag(models.Model):
    """A word by which people find a batch again."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="tags")
    name = models.CharField(_("tag"), max_length=60)

    class Meta:
        ordering = ("name",)
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        constraints = (models.UniqueConstraint(fields=("batch", "name"), name="tag_once"),)
        indexes = (models.Index(fields=("name",), name="tag_name"),)

    def __str__(self) -> str:
        return self.name


DEFAULT_OPTIONS: dict[str, Any] = {
    "concurrency": None,  # null: as many calls as the engine and the threads allow
    "chunk_size": 50,
    "retries": 2,
    "pilot": 0,  # cards that are read first; 0: all at once
    "stay_inside": False,  # no engine outside the house
    "on_duplicate": "skip",  # cards that were read before: skip, overwrite, suffix
    "rotation": "auto",  # of all scans, in degrees clockwise; auto: as the text on each says
    "pass_blank": True,  # scans on which nothing stands are not read
    "trim": False,  # the scanner's background is cut off
    "straighten": False,  # scans that lie a little askew are set level
    "sheets": False,  # several cards may lie on a page: they are looked for
    "pairing": None,  # how its scans become fronts and backs: {"how": "order"}, or "names" with "front" and "back"
    "max_image_px": 1600,
    "transcribe": False,
    "describe_pictures": False,
    "summarize": False,
    "multiple_entries": False,
}
