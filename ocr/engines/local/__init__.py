"""OCR and rules, no AI model: reads cards in this process, without a key and without a network."""

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
        upright = reading.read(self._ocr, image.path, image.rotation)
        card = rows.group(upright.lines)
        found = matching.fill(task.fields, card)
        return Reading(
            fields={spec.key: _field(found.get(spec.key), upright) for spec in task.fields},
            transcription=rows.transcription(card),
            rotation=upright.rotation,
            model=MODEL,
        )

    def close(self) -> None:
        """Nothing to give back: the engine belongs to the process."""


def _field(match: Match | None, card: Upright) -> FieldReading:
    if match is None:
        return FieldReading(None, None, ValueState.ABSENT)
    regions = tuple(_region(box, card) for box in match.boxes)
    return FieldReading(match.verbatim, match.text, ValueState.VALUE, match.confidence, regions)


def _region(box: Box, card: Upright) -> Region:
    xs = [min(max(x / card.width, 0.0), 1.0) for x, _ in box]
    ys = [min(max(y / card.height, 0.0), 1.0) for _, y in box]
    return Region(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
