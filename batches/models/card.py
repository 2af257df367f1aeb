"""Scans, the cards that they show, and where each card stands."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from batches.models.batch import Batch
from batches.models.folding import FoldedField
from batches.models.upload import Upload
from batches.states import CardStatus, SkipReason, TurnedBy


class CardQuerySet(models.QuerySet["Card"]):
    def visible_to(self, user: Any) -> CardQuerySet:
        return self.filter(batch__in=Batch.objects.visible_to(user))

    def correctable_by(self, user: Any) -> CardQuerySet:
        return self.filter(batch__in=Batch.objects.correctable_by(user))

    def editable_by(self, user: Any) -> CardQuerySet:
        return self.filter(batch__in=Batch.objects.editable_by(user))


class Scan(models.Model):
    """One image: a page of a stored file, or a region of it."""

    filename = models.CharField(max_length=150)  # stored name of the card, unique in the batch
    source = models.CharField(max_length=150)  # stored file that holds the scan; pages, and cards of a sheet, share one
    page = models.PositiveIntegerField(default=0)  # from 1 where the source has several, otherwise 0
    cut = models.PositiveSmallIntegerField(default=0)  # from 1 where the page is a sheet that was cut, otherwise 0
    # [left, top, width, height] in pixels of the page, EXIF orientation applied; null: the whole of it. Perhaps a fifth
    # number: hundredths of a degree that the page is turned counter-clockwise before that, to lie level.
    crop = models.JSONField(null=True, blank=True)
    edition = models.PositiveSmallIntegerField(default=1)  # one more each time that the card's scan is replaced
    original_name = models.CharField(max_length=500)  # as sent, with its folder
    client_key = models.CharField(max_length=64, blank=True)  # the browser's, makes a repeated upload harmless
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField(default=0)  # bytes of the source
    width = models.PositiveIntegerField(default=0)  # pixels, EXIF orientation applied, cut out, `rotation` not
    height = models.PositiveIntegerField(default=0)
    media_type = models.CharField(max_length=40, blank=True)
    rotation = models.PositiveSmallIntegerField(default=0)  # degrees clockwise that turn the scan upright

    class Meta:
        abstract = True

    @property
    def display_name(self) -> str:
        name = f"{self.original_name}#{self.page}" if self.page else self.original_name
        return f"{name} ({self.cut})" if self.cut else name

    @property
    def short_name(self) -> str:
        """Without its folder, where there is little room: what comes first in a long name tells least."""
        return self.display_name.rpartition("/")[2]

    @property
    def shares_source(self) -> bool:
        """Other cards may lie in the same file."""
        return bool(self.page or self.cut)

    @property
    def tag(self) -> str:
        """Tells its images from those of other bytes or another region under the same name."""
        parts = [f"s{self.edition}"] if self.edition > 1 else []
        parts += [f"c{'.'.join(str(number) for number in self.crop)}"] if self.crop else []
        return "".join(parts)

    @property
    def look(self) -> str:
        """What the address of one of its images ends in: the same only as long as the picture is."""
        return f"r={self.rotation}&s={self.tag}" if self.tag else f"r={self.rotation}"

    @property
    def upright(self) -> tuple[int, int]:
        """Its size once it is turned."""
        return (self.height, self.width) if self.rotation in {90, 270} else (self.width, self.height)

    def as_scan(self) -> dict[str, Any]:
        """What makes up the image, to be carried to another row."""
        return {field.name: getattr(self, field.name) for field in Scan._meta.fields}


class Sheet(Scan):
    """A page of a draft on which several cards may lie, as it was before it was cut."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="sheets")
    found = models.JSONField(default=list)  # regions where a card seems to lie, in reading order; as Scan.crop
    cuts = models.JSONField(default=list)  # regions that became cards; none: the page is one card

    class Meta:
        ordering = ("pk",)
        verbose_name = _("sheet")
        verbose_name_plural = _("sheets")

    def __str__(self) -> str:
        return self.display_name


class Card(Scan):
    """A scan, perhaps with its back, and where it stands. Status: batches/changes.py alone."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="cards")
    position = models.PositiveIntegerField()  # from 1; natural order of the original names, settled at the start
    upload = models.ForeignKey(Upload, null=True, blank=True, on_delete=models.SET_NULL, related_name="cards")
    sheet = models.ForeignKey(Sheet, null=True, blank=True, on_delete=models.SET_NULL, related_name="cards")
    back = models.OneToOneField("CardScan", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    folded_name = FoldedField(of="original_name", blank=True, default="", editable=False)  # for looking inside words

    status = models.CharField(max_length=10, choices=CardStatus, default=CardStatus.PENDING)
    skip_reason = models.CharField(max_length=12, choices=SkipReason, blank=True)
    error = models.CharField(max_length=40, blank=True)  # ocr.errors' `reason`
    error_message = models.TextField(blank=True)
    tries = models.PositiveSmallIntegerField(default=0)  # calls that count against options.retries
    crashes = models.PositiveSmallIntegerField(default=0)
    prepared_at = models.DateTimeField(null=True, blank=True)  # page image and thumbnail made
    trimmed = models.BooleanField(
        default=False
    )  # `crop` is what is left without the scanner's background, or set level
    turned_by = models.CharField(max_length=8, choices=TurnedBy, blank=True)  # who says how it is to be turned
    phash = models.BigIntegerField(null=True, blank=True)  # 64 bits of what it looks like, turned upright
    blank = models.BooleanField(null=True, blank=True)  # nothing stands on it; a person's word that something does: no
    codes = models.JSONField(default=list, blank=True)  # barcodes on it: [{"kind", "text"}]

    worker = models.ForeignKey("Worker", null=True, blank=True, on_delete=models.SET_NULL, related_name="cards")
    claim = models.PositiveIntegerField(default=0)  # fencing number: a save must name it
    lease_until = models.DateTimeField(null=True, blank=True)
    called_at = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)  # back-off between tries

    # Files must be brought in line with the row: result files written, the image moved into or out of _errors/.
    files_due = models.BooleanField(default=False)

    version = models.BigIntegerField(default=0)
    result = models.OneToOneField("CardResult", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # The run that reads it again; it keeps its result meanwhile, and if that fails.
    rereading = models.ForeignKey("Rereading", null=True, blank=True, on_delete=models.SET_NULL, related_name="cards")
    candidates = models.PositiveSmallIntegerField(default=0)  # other readings that nobody has decided about
    to_check = models.BooleanField(default=False)
    nothing_found = models.BooleanField(default=False)  # the reading is valid, and has no value at all
    reviewed = models.BooleanField(default=False)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    looked_at = models.DateTimeField(null=True, blank=True)  # a person last said something about its values
    # How grave what there is to check seems: the queue's order. Never lowered by what people do, so that it is stable.
    severity = models.PositiveSmallIntegerField(default=0)
    flagged = models.BooleanField(default=False)  # by a person, with a note that is open
    finished_at = models.DateTimeField(null=True, blank=True)
    duration = models.FloatField(null=True, blank=True)  # seconds of the last call
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CardQuerySet.as_manager()

    class Meta:
        ordering = ("position", "id")
        verbose_name = _("card")
        verbose_name_plural = _("cards")
        constraints = (
            models.UniqueConstraint(fields=("batch", "filename"), name="card_filename_once"),
            models.UniqueConstraint(
                fields=("batch", "client_key", "page"),
                condition=~Q(client_key=""),
                name="card_client_key_once",
            ),
        )
        indexes = (
            models.Index(fields=("batch", "position"), condition=Q(status="pending"), name="card_pending"),
            models.Index(fields=("batch", "version", "id"), name="card_version"),
            models.Index(fields=("batch", "position", "id"), name="card_position"),
            models.Index(fields=("batch", "status", "position"), name="card_status"),
            models.Index(fields=("batch", "status", "to_check", "position", "id"), name="card_result_sorted"),
            models.Index(fields=("batch", "sha256"), name="card_sha256"),
            models.Index("batch", Lower("filename"), name="card_filename_low"),
            models.Index("batch", Lower("source"), name="card_source_low"),
            models.Index("batch", Lower("original_name"), "page", "position", "id", name="card_name_sorted"),
            models.Index(fields=("worker",), condition=Q(worker__isnull=False), name="card_worker"),
            models.Index(fields=("id",), condition=Q(files_due=True), name="card_files_due"),
            models.Index(fields=("id",), condition=Q(prepared_at=None), name="card_unprepared"),
            models.Index(fields=("error_message",), condition=Q(status="failed"), name="card_failed"),
            models.Index(fields=("id",), condition=Q(status="failed", looked_at__isnull=False), name="card_given_up"),
            models.Index(fields=("batch", "position"), condition=Q(candidates__gt=0), name="card_candidates"),
            models.Index(fields=("batch", "position"), condition=Q(nothing_found=True), name="card_nothing_found"),
            models.Index(
                fields=("batch", "-severity", "position", "id"),
                condition=Q(status="completed", to_check=True),
                name="card_queue",
            ),
            models.Index(fields=("batch", "looked_at"), condition=Q(looked_at__isnull=False), name="card_looked_at"),
        )

    def __str__(self) -> str:
        return self.original_name

    @property
    def has_picture(self) -> bool:
        """Its page image is made."""
        return self.prepared_at is not None and bool(self.width)

    @property
    def sides(self) -> list[Card | CardScan]:
        """Front, and back where it has one; the back shares this card's batch."""
        if self.back is None:
            return [self]
        self.back.card = self
        return [self, self.back]

    @property
    def is_read(self) -> bool:
        """It has values: also while it waits to be read again."""
        waits = self.status in {CardStatus.PENDING, CardStatus.PROCESSING}
        return self.status == CardStatus.COMPLETED or (waits and self.result_id is not None)


class CardScan(Scan):
    """A scan of a card besides the one on its row: its back, or one that was replaced."""

    class Role(models.TextChoices):
        BACK = "back", _("back")
        EARLIER = "earlier", _("replaced")

    card = models.ForeignKey(Card, on_delete=models.CASCADE, related_name="scans")
    sheet = models.ForeignKey(Sheet, null=True, blank=True, on_delete=models.SET_NULL, related_name="scans")
    role = models.CharField(max_length=8, choices=Role)
    upload = models.ForeignKey(Upload, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    blank = models.BooleanField(default=False)  # a back that shows nothing: no engine gets it
    turned_by = models.CharField(max_length=8, choices=TurnedBy, blank=True)  # as Card.turned_by, of a back
    at = models.DateTimeField(auto_now_add=True)  # paired, or replaced
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ("-id",)
        verbose_name = _("scan")
        verbose_name_plural = _("scans")
        constraints = (models.UniqueConstraint(fields=("card",), condition=Q(role="back"), name="card_back_once"),)
        indexes = (
            models.Index(Lower("filename"), name="scan_filename_low"),
            models.Index(Lower("source"), name="scan_source_low"),
        )

    def __str__(self) -> str:
        return self.original_name

    @property
    def batch(self) -> Batch:
        return self.card.batch


class Likeness(models.Model):
    """Parts of a scan's 64 bits, so that those that look alike are found by an index; and the one it looks like."""

    PARTS = ("part_1", "part_2", "part_3", "part_4", "part_5", "part_6")

    card = models.OneToOneField(Card, on_delete=models.CASCADE, related_name="likeness")
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="+")
    part_1 = models.SmallIntegerField()
    part_2 = models.SmallIntegerField()
    part_3 = models.SmallIntegerField()
    part_4 = models.SmallIntegerField()
    part_5 = models.SmallIntegerField()
    part_6 = models.SmallIntegerField()
    like = models.ForeignKey(Card, null=True, blank=True, on_delete=models.SET_NULL, related_name="alike")
    kept = models.BooleanField(default=False)  # a person has looked at the two: both stay

    class Meta:
        indexes = (
            models.Index(fields=("batch", "part_1"), condition=Q(like=None), name="likeness_1"),
            models.Index(fields=("batch", "part_2"), condition=Q(like=None), name="likeness_2"),
            models.Index(fields=("batch", "part_3"), condition=Q(like=None), name="likeness_3"),
            models.Index(fields=("batch", "part_4"), condition=Q(like=None), name="likeness_4"),
            models.Index(fields=("batch", "part_5"), condition=Q(like=None), name="likeness_5"),
            models.Index(fields=("batch", "part_6"), condition=Q(like=None), name="likeness_6"),
            models.Index(fields=("batch", "part_1", "part_2"), name="likeness_same"),
            models.Index(fields=("batch",), condition=Q(like__isnull=False, kept=False), name="likeness_undecided"),
        )

    def __str__(self) -> str:
        return f"{self.card_id}: {self.like_id}"
