"""What the calls take and give. Shapes as the contract has them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from ninja import Field, Schema
from pydantic import WithJsonSchema

from batches import progress
from batches.models import DEFAULT_OPTIONS, Batch
from batches.states import BatchStatus, PauseReason
from cardocr_site.contract import Closed, Id, Name, Text
from ocr.fields import FieldSpec
from templates_app.schemas import FieldIn, FieldOut
from templates_app.sharing import Everybody


class OptionsIn(Closed):
    """Only those that are sent are changed."""

    concurrency: int | None = Field(None, ge=1, le=256, description="Calls at a time; null: as many as possible.")
    chunk_size: int = Field(50, ge=1, le=1000)
    retries: int = Field(2, ge=0, le=10)
    pilot: int = Field(0, ge=0, le=100_000, description="Cards that are read first, then a person decides.")
    stay_inside: bool = Field(False, description="These cards must not leave the house.")
    on_duplicate: Literal["skip", "overwrite", "suffix"] = "skip"
    max_image_px: int = Field(1600, ge=400, le=8000)
    transcribe: bool = False
    describe_pictures: bool = False
    summarize: bool = False
    multiple_entries: bool = False
    rotation: Literal["auto", 0, 90, 180, 270] = "auto"
    pass_blank: bool = True
    trim: bool = False
    straighten: bool = False


class BatchIn(Closed):
    name: Name = Field(max_length=200, examples=["Drawer 12"])
    collection: Text = Field("", max_length=200)
    tags: list[Name] = Field([], max_length=20)
    template_id: Id | None = None
    fields: list[FieldIn] | None = Field(None, max_length=100)
    engine_id: Id | None = None
    model: Text = Field("", max_length=200)
    options: OptionsIn | None = None


_AMOUNT = [
    {"type": "number", "exclusiveMinimum": 0, "maximum": 9_999_999_999},
    {"type": "string", "pattern": r"^(?=.*[1-9])\d{1,10}(\.\d{1,2})?$"},
]
Money = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2), WithJsonSchema({"anyOf": _AMOUNT})]


class SharingIn(Closed):
    """Replaces what was there. `groups`: names of groups, and what they may: read or edit."""

    everybody: Everybody = Field(description="What those with a role may do with it.")
    groups: dict[str, Literal["read", "edit"]] = Field({}, max_length=100)


class SharingOut(Schema):
    everybody: Everybody
    groups: dict[str, Literal["read", "edit"]]


class BatchChange(Closed):
    """Only what is sent is changed."""

    name: Name | None = Field(None, max_length=200)
    collection: Text | None = Field(None, max_length=200)
    tags: list[Name] | None = Field(None, max_length=20)
    budget: Money | None = Field(None, description="In the engine's currency; null: no limit.")
    sharing: SharingIn | None = Field(None, description="For its owner and administrators.")


class ImageOut(Schema):
    """A scan: a card of the batch."""

    id: int
    filename: str
    original_name: str
    position: int
    status: str
    skip_reason: str | None
    width: int
    height: int


class ProgressOut(Schema):
    """How far a batch is. `eta_seconds` is null until it means something."""

    batch_id: int
    status: BatchStatus
    version: int
    total: int
    pending: int
    processing: int
    completed: int
    failed: int
    skipped: int
    cancelled: int
    to_check: int
    reviewed: int
    percent: int
    current: int
    message: str
    cards_per_minute: float | None
    eta_seconds: int | None
    elapsed_seconds: int
    tokens_in: int
    tokens_out: int
    cost: Decimal = Field(description="As text, in the currency of the engine.")
    currency: str


class BatchOut(Schema):
    id: int
    uid: str
    name: str
    label: str | None = Field(description="Also the name of its folder; null while a draft.")
    collection: str
    tags: list[str]
    status: BatchStatus
    pause_reason: PauseReason | None
    pause_message: str | None
    retry_at: datetime | None
    owner: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    fields: list[FieldOut]
    instruction: str
    template_id: int | None
    template_version: int | None
    engine: str | None
    model: str
    options: dict[str, Any]
    budget: Decimal | None
    sharing: SharingOut
    progress: ProgressOut


def progress_of(batch: Batch) -> ProgressOut:
    return ProgressOut.model_validate(progress.of(batch))


def batch_out(batch: Batch) -> dict[str, Any]:
    version = batch.template_version
    same = ("uid", "name", "label", "collection", "status", "retry_at", "created_at", "started_at", "finished_at")
    return {name: getattr(batch, name) for name in (*same, "instruction", "model", "budget")} | {
        "id": batch.pk,
        "tags": [tag.name for tag in batch.tags.all()],
        "pause_reason": batch.pause_reason or None,
        "pause_message": batch.pause_message or None,
        "owner": batch.owner.get_username(),
        "fields": [FieldSpec.from_dict(one).to_dict() for one in batch.fields],
        "template_id": version.template_id if version else None,
        "template_version": version.number if version else None,
        "engine": batch.engine.name if batch.engine else None,
        "options": {name: batch.option(name) for name in DEFAULT_OPTIONS},
        "sharing": {
            "everybody": batch.everybody,
            "groups": {share.group.name: "edit" if share.edit else "read" for share in batch.shares.all()},
        },
        "progress": progress_of(batch),
    }
