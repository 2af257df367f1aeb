"""The contract between the drain and whatever reads cards."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ocr.fields import FieldSpec
from ocr.reading import Reading


@dataclass(frozen=True, slots=True)
class Prepared:
    """One image, ready for an engine: EXIF orientation applied, `rotation` (degrees clockwise) not yet.

    `rotation` is None where nobody knows it yet. `max_px` says how large the engine asked for it.
    """

    path: Path
    media_type: str
    width: int
    height: int
    rotation: int | None = None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    max_image_px: int = 1600
    transcribe: bool = False


@dataclass(frozen=True, slots=True)
class ReadTask:
    """What is wanted of one card: fields and options; the same for a whole batch."""

    fields: tuple[FieldSpec, ...]  # active ones only
    instruction: str = ""
    options: ReadOptions = field(default_factory=ReadOptions)


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """A configured engine, without the database: what an adapter is built from."""

    kind: str
    name: str
    address: str = ""
    model: str = ""
    key: str = field(default="", repr=False)
    timeout: float = 120.0
    max_in_flight: int | None = None


class EngineAdapter(Protocol):
    """Reads one prepared image. Thread-safe. Raises ocr.errors.ExtractionError only."""

    full_resolution: bool  # True: wants the scan at its own size; False: at options.max_image_px
    in_process: bool  # True: a crash of the engine is a crash of the consumer

    def read(self, image: Prepared, task: ReadTask) -> Reading: ...

    def close(self) -> None: ...
