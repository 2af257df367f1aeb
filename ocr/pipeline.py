"""How one card is read: ask the engine, then bring each value to its field's type."""

import logging
from dataclasses import replace

from ocr import coercion
from ocr.engines.base import EngineAdapter, Prepared, ReadTask
from ocr.fields import FieldSpec
from ocr.reading import FieldReading, Reading, ValueState

log = logging.getLogger(__name__)

_ABSENT = FieldReading(None, None, ValueState.ABSENT)


def read(image: Prepared, task: ReadTask, engine: EngineAdapter) -> Reading:
    """Exactly one reading for each active field, and none besides. Raises ocr.errors.ExtractionError."""
    reading = engine.read(image, task)
    if reading.unknown_keys:
        log.info("%s gave %d keys that nobody asked for.", reading.model or "The engine", reading.unknown_keys)
    fields = {spec.key: _field(spec, reading) for spec in task.fields if spec.active}
    return replace(reading, fields=fields, transcription=coercion.tidy(reading.transcription, lines=True))


def _field(spec: FieldSpec, reading: Reading) -> FieldReading:
    return coercion.coerce(spec, reading.fields.get(spec.key, _ABSENT))
