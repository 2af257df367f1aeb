from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from batches.states import BatchStatus, CardStatus, PauseReason, ResultState, SkipReason, TurnedBy, UploadStatus
from ocr.fields import FieldSpec
from ocr.models import Engine
from templates_app.models import FieldTemplateVersion

_UID_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # none that look alike


def new_uid() -> str:
    return "".join(secrets.choice(_UID_LETTERS) for _ in range(10))


class BatchQuerySet(models.QuerySet["Batch"]):
    def visible_to(self, user: Any) -> BatchQuerySet:
        """Batches, not in the trash, that this person may look at."""
        if not user.is_authenticated:
            return self.none()
        alive = self.filter(deleted_at=None)
        if user.is_administrator:
            return alive
        return alive.filter(Q(owner=user) | Q(private=False))

    def editable_by(self, user: Any) -> BatchQuerySet:
        """Batches, not in the trash, that this person may change."""
        visible = self.visible_to(user)
        if user.is_authenticated and user.is_administrator:
            return visible
        return visible.filter(owner=user) if user.is_authenticated else visible


class Batch(models.Model):
    """A set of scans read with the same fields. Frozen from its start on. Status: batches/changes.py alone."""

    uid = models.CharField(max_length=10, unique=True, default=new_uid, editable=False)
    name = models.CharField(_("name"), max_length=200)
    collection = models.CharField(_("collection"), max_length=200, blank=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="batches")
    private = models.BooleanField(_("private"), default=False)
    is_sample = models.BooleanField(default=False)

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
    cancelled = models.PositiveIntegerField(default=0)
    to_check = models.PositiveIntegerField(default=0)
    nothing_found = models.PositiveIntegerField(default=0)
    reviewed = models.PositiveIntegerField(default=0)  # and not to be checked again
    check_again = models.PositiveIntegerField(default=0)  # another reading waits for a person; these are to check, too
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
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_draft(self) -> bool:
        return self.status == BatchStatus.DRAFT

    @property
    def is_active(self) -> bool:
        return self.status in {BatchStatus.QUEUED, BatchStatus.RUNNING}

    @property
    def finished_cards(self) -> int:
        return self.completed + self.failed + self.skipped + self.cancelled

    @property
    def reader(self) -> Engine | None:
        """The engine that its cards are read with now."""
        return self.rereading.engine if self.rereading else self.engine

    def specs(self, *, active_only: bool = True) -> list[FieldSpec]:
        specs = [FieldSpec.from_dict(data) for data in self.fields]
        return [spec for spec in specs if spec.active] if active_only else specs

    def option(self, name: str) -> Any:
        return self.options.get(name, DEFAULT_OPTIONS[name])


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
    "max_image_px": 1600,
    "transcribe": False,
    "describe_pictures": False,
    "summarize": False,
    "multiple_entries": False,
}


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


class CardQuerySet(models.QuerySet["Card"]):
    def visible_to(self, user: Any) -> CardQuerySet:
        return self.filter(batch__in=Batch.objects.visible_to(user))

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
            models.Index(fields=("batch", "sha256"), name="card_sha256"),
            models.Index("batch", Lower("filename"), name="card_filename_low"),
            models.Index("batch", Lower("source"), name="card_source_low"),
            models.Index(fields=("worker",), condition=Q(worker__isnull=False), name="card_worker"),
            models.Index(fields=("id",), condition=Q(files_due=True), name="card_files_due"),
            models.Index(fields=("id",), condition=Q(prepared_at=None), name="card_unprepared"),
            models.Index(fields=("batch", "position"), condition=Q(candidates__gt=0), name="card_candidates"),
            models.Index(fields=("batch", "position"), condition=Q(nothing_found=True), name="card_nothing_found"),
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


class CardResult(models.Model):
    """One reading of a card. `fields` is the machine's and never changes; `values` is what holds now."""

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
    confidence = models.FloatField(null=True, blank=True)  # the lowest of the active fields, in all entries
    transcription = models.TextField(blank=True)
    pictures = models.TextField(blank=True)  # what they show
    summary = models.TextField(blank=True)  # in a sentence
    # Where several entries stand on one card: each {key: as in `fields`}; null: one was asked for.
    entries = models.JSONField(null=True, blank=True)
    by_hand = models.BooleanField(default=False)
    search = models.TextField(blank=True)  # lower-case values and transcription, for the text filter
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
        further = [{key: field.get("value") for key, field in entry.items()} for entry in (self.entries or ())[1:]]
        return [self.values, *further] if further or any(self.values.values()) else []


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


class Worker(models.Model):
    """A process that reads cards. On one host it lives as long as it holds its lock file."""

    uid = models.CharField(max_length=32, unique=True)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ("-seen_at",)
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"
