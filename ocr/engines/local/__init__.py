"""OCR and rules, no AI model: reads cards in this process, without a key and without a network."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ocr.engines.base import EngineConfig, Prepared, ReadTask
from ocr.engines.local import matching, ocr, reading, rows
from ocr.engines.local.reading import Upright
from ocr.engines.local.rows import Box
from ocr.engines.local.strips import Match
from ocr.reading import FieldReading, Reading, Region, ValueState

MODEL = "PP-OCRv6 small"


class LocalAdapter:
    """One engine serves all adapters of a process; its models load when the first is made.

    Raises ocr.errors.EngineMissing where they cannot be loaded.
    """

    full_resolution = True
    in_process = True

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._ocr = ocr.shared()

    def read(self, image: Prepared, task: ReadTask) -> Reading:
        front = self._side(image, task)
        back = self._side(image.back, task) if image.back else None
        return Reading(
            fields={
                spec.key: _of_both(front.field(spec.key), back.field(spec.key)) if back else front.field(spec.key)
                for spec in task.fields
            },
            transcription="\n\n".join(side.text for side in (front, back) if side and side.text),
            rotation=front.card.rotation,
            back_rotation=back.card.rotation if back else None,
            model=MODEL,
        )

    def _side(self, image: Prepared, task: ReadTask) -> "_Side":
        upright = reading.read(self._ocr, image.path, image.rotation)
        card = rows.group(upright.lines)
        return _Side(upright, matching.fill(task.fields, card), rows.transcription(card))

    def close(self) -> None:
        """Nothing to give back: the engine belongs to the process."""


@dataclass(frozen=True, slots=True)
class _Side:
    """What was found on the front of a card, or on its back."""

    card: Upright
    found: Mapping[str, Match]
    text: str

    def field(self, key: str) -> FieldReading:
        return _field(self.found.get(key), self.card)


def _of_both(front: FieldReading, back: FieldReading) -> FieldReading:
    """The value that is surer; the front's where they are equally sure."""
    if (back.confidence or 0) <= (front.confidence or 0):
        return front
    return replace(back, on_back=True)


def _field(match: Match | None, card: Upright) -> FieldReading:
    if match is None:
        return FieldReading(None, None, ValueState.ABSENT)
    regions = tuple(_region(box, card) for box in match.boxes)
    return FieldReading(match.verbatim, match.text, ValueState.VALUE, match.confidence, regions)


def _region(box: Box, card: Upright) -> Region:
    xs = [min(max(x / card.width, 0.0), 1.0) for x, _ in box]
    ys = [min(max(y / card.height, 0.0), 1.0) for _, y in box]
    return Region(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
