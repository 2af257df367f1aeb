"""From a batch to what an engine is asked, and from its reading to the row that is stored."""

from dataclasses import dataclass, fields
from typing import Any

from batches.models import Batch, CardResult
from ocr import prompts, schema
from ocr.engines.base import ReadOptions, ReadTask
from ocr.models import Engine
from ocr.reading import FieldReading, Reading


@dataclass(frozen=True, slots=True)
class Setup:
    """What cards are read with: as the start of their batch froze it, or a rereading."""

    engine: Engine
    model: str
    task: ReadTask
    template_version_id: int | None = None
    prompt_hash: str = ""  # none where nobody is prompted
    schema_hash: str = ""
    rereading_id: int | None = None

    @property
    def every_value(self) -> bool:
        """The engine's confidence proves nothing: every card is to be checked."""
        return self.engine.kind == Engine.Kind.LOCAL


def setup_of(batch: Batch, engine: Engine) -> Setup:
    task = read_task(batch)
    prompted = engine.kind != Engine.Kind.LOCAL
    return Setup(
        engine=engine,
        model=batch.model or engine.model,
        task=task,
        template_version_id=batch.template_version_id,
        prompt_hash=prompts.digest(task) if prompted else "",
        schema_hash=schema.digest(task) if prompted else "",
    )


def read_task(batch: Batch) -> ReadTask:
    return ReadTask(
        fields=tuple(batch.specs()),
        instruction=batch.instruction,
        options=ReadOptions(**{option.name: batch.option(option.name) for option in fields(ReadOptions)}),
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


def result_of(setup: Setup, card_id: int, reading: Reading) -> CardResult:
    """The row of a reading, not saved yet."""
    fields = {key: _stored(field) for key, field in reading.fields.items()}
    values = {key: field["value"] for key, field in fields.items()}
    confidences = [field["confidence"] for field in fields.values() if field["confidence"] is not None]
    entries = reading.entries
    result = CardResult(
        card_id=card_id,
        engine=setup.engine,
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
        entries=None if entries is None else [{key: _stored(field) for key, field in one.items()} for one in entries],
    )
    result.search = searchable(result)
    return result


def searchable(result: CardResult) -> str:
    """What the text filter looks through: the values that hold, further entries, whatever else was written down."""
    values = [value for entry in result.values_of_entries() for value in entry.values()]
    texts = (*values, result.transcription, result.pictures, result.summary)
    return " ".join(filter(None, texts)).casefold()
