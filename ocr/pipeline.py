"""How one card is read: ask the engine, then bring each value to its field's type, in every entry."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ocr import coercion
from ocr.engines.base import EngineAdapter, Prepared, ReadTask
from ocr.fields import FieldSpec
from ocr.reading import FieldReading, Reading, ValueState

log = logging.getLogger(__name__)

_ABSENT = FieldReading(None, None, ValueState.ABSENT)


def read(image: Prepared, task: ReadTask, engine: EngineAdapter) -> Reading:
    """Exactly one reading for each active field, and none besides; of the first entry where there may be several.

    Raises ocr.errors.ExtractionError.
    """
    reading = engine.read(image, task)
    if reading.unknown_keys:
        log.info("%s gave %d keys that nobody asked for.", reading.model or "The engine", reading.unknown_keys)
    specs = [spec for spec in task.fields if spec.active]
    fields, entries = _fields(specs, reading.fields), reading.entries
    if entries is not None:
        entries = tuple(_fields(specs, entry) for entry in entries)
        fields = entries[0] if entries else fields
    return replace(
        reading,
        fields=fields,
        entries=entries,
        transcription=coercion.tidy(reading.transcription, lines=True),
        pictures=coercion.tidy(reading.pictures, lines=True),
        summary=coercion.tidy(reading.summary),
    )


def _fields(specs: Iterable[FieldSpec], read: Mapping[str, FieldReading]) -> Mapping[str, FieldReading]:
    return {spec.key: coercion.coerce(spec, read.get(spec.key, _ABSENT)) for spec in specs}
