"""The states of batches and cards, and which may follow which."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class BatchStatus(models.TextChoices):
    DRAFT = "draft", _("Draft")
    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("Reading")
    PAUSED = "paused", _("Paused")
    CANCELLED = "cancelled", _("Stopped")
    COMPLETED = "completed", _("Finished")
    FAILED = "failed", _("Failed")


class CardStatus(models.TextChoices):
    PENDING = "pending", _("Waiting")
    PROCESSING = "processing", _("Being read")
    COMPLETED = "completed", _("Read")
    FAILED = "failed", _("Not read")
    SKIPPED = "skipped", _("Skipped")
    CANCELLED = "cancelled", _("Stopped")


class PauseReason(models.TextChoices):
    PERSON = "person", _("paused by a person")
    ENDPOINT = "endpoint", _("the engine does not answer")
    CREDENTIALS = "credentials", _("the engine refuses the key")
    BUDGET = "budget", _("the budget is used up")
    PILOT = "pilot", _("the first cards are ready to be looked at")
    DISK = "disk", _("the disk is full")


class SkipReason(models.TextChoices):
    NOT_CHOSEN = "not_chosen", _("not chosen")
    BLANK = "blank", _("blank")
    DUPLICATE = "duplicate", _("duplicate")
    PERSON = "person", _("skipped by a person")


class UploadStatus(models.TextChoices):
    """Of a file as it was sent; it has no table: what came of it is written once, or anew when it is sent again."""

    RECEIVING = "receiving", _("Being received")
    OPENING = "opening", _("Being opened")
    DUPLICATE = "duplicate", pgettext_lazy("a file", "Duplicate")  # elsewhere it is what a button does
    DONE = "done", _("Added")
    REFUSED = "refused", _("Refused")


class TurnedBy(models.TextChoices):
    """Who says how a scan is to be turned; empty: nobody has looked."""

    TEXT = "text", _("by its text")
    OTHERS = "others", _("as the others of the batch")
    SETTING = "setting", _("as set for the batch")
    PERSON = "person", _("by a person")
    NOTHING = "nothing", _("not turned: no text was found")
    UNABLE = "unable", _("not turned: the OCR models cannot be loaded")


class ResultState(models.TextChoices):
    CURRENT = "current", _("holds")
    CANDIDATE = "candidate", _("to be decided")
    EQUAL = "equal", _("says the same")
    ACCEPTED = "accepted", _("accepted")
    REJECTED = "rejected", _("rejected")
    EARLIER = "earlier", _("replaced")
    TRIED = "tried", _("tried before the start")


_B, _C = BatchStatus, CardStatus

BATCH_TRANSITIONS: dict[BatchStatus, frozenset[BatchStatus]] = {
    _B.DRAFT: frozenset({_B.QUEUED}),
    _B.QUEUED: frozenset({_B.RUNNING, _B.PAUSED, _B.CANCELLED}),
    _B.RUNNING: frozenset({_B.PAUSED, _B.CANCELLED, _B.COMPLETED, _B.FAILED}),
    _B.PAUSED: frozenset({_B.QUEUED, _B.CANCELLED}),
    _B.COMPLETED: frozenset({_B.QUEUED}),
    _B.FAILED: frozenset({_B.QUEUED}),
    _B.CANCELLED: frozenset({_B.QUEUED}),
}

# From waiting or skipped back to failed: a retry, or a skipping, that a person takes back.
CARD_TRANSITIONS: dict[CardStatus, frozenset[CardStatus]] = {
    _C.PENDING: frozenset({_C.PROCESSING, _C.SKIPPED, _C.CANCELLED, _C.COMPLETED, _C.FAILED}),
    _C.PROCESSING: frozenset({_C.COMPLETED, _C.FAILED, _C.PENDING, _C.CANCELLED, _C.SKIPPED}),
    _C.COMPLETED: frozenset({_C.PENDING, _C.FAILED}),
    _C.FAILED: frozenset({_C.PENDING, _C.COMPLETED, _C.SKIPPED}),
    _C.SKIPPED: frozenset({_C.PENDING, _C.FAILED}),
    _C.CANCELLED: frozenset({_C.PENDING}),
}
