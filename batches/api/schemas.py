"""What the calls take and give. Shapes as the contract has them."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from ninja import Field, Schema

from batches import progress
from batches.models import DEFAULT_OPTIONS, Batch
from batches.states import BatchStatus, PauseReason
from ocr.fields import FieldSpec, FieldType


class HintsSchema(Schema):
    """Help for the local engine."""

    aliases: list[str] = []
    keywords: list[str] = []
    position: Literal["top_left", "first", "last"] | None = None
    avoid: list[str] = []
    until: str | None = None


class FieldOut(Schema):
    key: str
    label: str
    instruction: str
    type: FieldType
    choices: list[str]
    pattern: str | None
    required: bool
    active: bool
    example: str | None
    threshold: float | None
    hints: HintsSchema
    open_list: bool = False
    spellings: dict[str, list[str]] = {}


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
        "progress": progress_of(batch),
    }
