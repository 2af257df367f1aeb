"""From a batch to what an engine is asked, and from its reading to the row that is stored."""

from typing import Any

from batches.models import Batch, CardResult
from ocr.engines.base import ReadOptions, ReadTask
from ocr.reading import FieldReading, Reading


def read_task(batch: Batch) -> ReadTask:
    return ReadTask(
        fields=tuple(batch.specs()),
        instruction=batch.instruction,
        options=ReadOptions(max_image_px=batch.option("max_image_px"), transcribe=batch.option("transcribe")),
    )


def clean(text: str) -> str:
    """Text that every database takes: no lone surrogates, no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def _stored(field: FieldReading) -> dict[str, Any]:
    return {
        "verbatim": None if field.verbatim is None else clean(field.verbatim),
        "value": None if field.value is None else clean(field.value),
        "state": str(field.state),
        "confidence": field.confidence,
        "regions": [[box.x, box.y, box.width, box.height] for box in field.regions],
        "issues": [str(issue) for issue in field.issues],
    }


def result_of(batch: Batch, card_id: int, reading: Reading, engine_name: str) -> CardResult:
    """The row of a reading, not saved yet."""
    fields = {key: _stored(field) for key, field in reading.fields.items()}
    values = {key: field["value"] for key, field in fields.items()}
    confidences = [field["confidence"] for field in fields.values() if field["confidence"] is not None]
    transcription = clean(reading.transcription)
    return CardResult(
        card_id=card_id,
        engine_name=engine_name,
        model=clean(reading.model or batch.model)[:200],
        template_version_id=batch.template_version_id,
        fields=fields,
        values=values,
        confidence=min(confidences, default=None),
        transcription=transcription,
        search=" ".join([*filter(None, values.values()), transcription]).casefold(),
    )
