"""From an engine's reading to the row that is stored."""

from datetime import datetime
from typing import Any

from batches import rows
from batches.drain.outcomes import Outcome
from batches.models import Attempt, CardResult
from batches.models.folding import fold
from batches.queries.means import Setup
from ocr.reading import FieldReading, Reading


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
        **({"on_back": True} if field.on_back else {}),
    }


def result_of(setup: Setup, card_id: int, reading: Reading) -> CardResult:
    """The row of a reading, not saved yet."""
    fields = {key: _stored(field) for key, field in reading.fields.items()}
    values = {key: field["value"] for key, field in fields.items()}
    entries = None
    if reading.entries is not None:
        entries = [{key: _stored(field) for key, field in entry.items()} for entry in reading.entries]
    read = [field for entry in entries or [fields] for field in entry.values()]
    confidences = [field["confidence"] for field in read if field["confidence"] is not None]
    result = rows.fresh(
        CardResult,
        card_id=card_id,
        engine_id=setup.engine.pk,
        engine_name=setup.engine.name,
        model=clean(reading.model or setup.model)[:200],
        revision=clean(reading.revision)[:100],
        prompt_hash=setup.prompt_hash,
        schema_hash=setup.schema_hash,
        rereading_id=setup.rereading_id,
        template_version_id=setup.template_version_id,
        fields=fields,
        values=values,
        confidence=min(confidences, default=None),
        transcription=clean(reading.transcription),
        pictures=clean(reading.pictures),
        summary=clean(reading.summary),
        entries=entries,
    )
    result.search = searchable(result)
    return result


def attempt_of(outcome: Outcome, started_at: datetime) -> Attempt:
    """The row of a call, not saved nor priced yet."""
    setup, reading, error = outcome.setup, outcome.reading, outcome.error
    source = reading or error
    return rows.fresh(
        Attempt,
        card_id=outcome.card.pk,
        claim=outcome.card.claim,
        worker_uid=outcome.card.worker.uid if outcome.card.worker else "",
        engine_id=setup.engine.pk,
        engine_name=setup.engine.name,
        model=clean(reading.model if reading else "")[:200] or setup.model,
        revision=clean(reading.revision if reading else "")[:100],
        prompt_hash=setup.prompt_hash,
        schema_hash=setup.schema_hash,
        started_at=started_at,
        duration=outcome.duration,
        error=error.reason if error else "",
        error_message=clean(error.message) if error else "",
        counted=error.counts if error else True,
        finish_reason=clean(source.finish_reason)[:40] if source else "",
        raw_reply=clean(source.raw) if source else "",
        unknown_keys=reading.unknown_keys if reading else 0,
    )


def searchable(result: CardResult) -> str:
    """What the text filter looks through: the values that hold, further entries, whatever else was written down."""
    values = [value for entry in result.values_of_entries() for value in entry.values()]
    texts = (*values, result.transcription, result.pictures, result.summary)
    return fold(" ".join(filter(None, texts)))
