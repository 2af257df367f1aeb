"""Engines for tests: plain classes that keep the protocol."""

import os
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ocr.engines.base import EngineConfig, Prepared, ReadTask, sending
from ocr.errors import EngineFailed
from ocr.reading import FieldReading, Reading, Usage


def reading_of(text: str = "Grieg", rotation: int | None = None, **more) -> Reading:
    values = {"author": text, "title": "Peer Gynt", "year": "1875"}
    fields = {key: FieldReading(value, value, confidence=0.95) for key, value in values.items()}
    return Reading(fields=fields, rotation=rotation, usage=Usage(10, 5), model="reader-1", raw="{}", **more)


@dataclass
class Scripted:
    """Answers with the image's name as author; `script` maps a name to what happens instead, call by call."""

    full_resolution: bool = True
    in_process: bool = False
    script: dict[str, list[Exception | Callable[[], object]]] = field(default_factory=dict)
    hold: threading.Event | None = None  # each call waits for it
    calls: list[str] = field(default_factory=list)
    at_once: Counter = field(default_factory=Counter)
    most_at_once: int = 0
    closed: bool = False

    def __post_init__(self):
        self._lock = threading.Lock()
        self._now = 0

    def read(self, image: Prepared, task: ReadTask) -> Reading:
        with sending(), self._lock:
            self.calls.append(image.path.name)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            wanted = self.script.get(image.path.name) or []
            happens = wanted.pop(0) if wanted else None
        try:
            if self.hold is not None:
                assert self.hold.wait(20)
            if isinstance(happens, Exception):
                raise happens
            if happens is not None:
                happens()
            return reading_of(image.path.name)
        finally:
            with self._lock:
                self._now -= 1

    def close(self) -> None:
        self.closed = True


class Deadly:
    """Kills its process by the image whose name it finds in the file `deadly` beside it; reads others."""

    full_resolution = True
    in_process = True

    def read(self, image: Prepared, task: ReadTask) -> Reading:
        if "deadly" in image.path.name:
            os._exit(9)
        if "broken" in image.path.name:
            raise EngineFailed("out of order", raw="…", usage=Usage(3, 1))
        return reading_of(Path(image.path).name)

    def close(self) -> None:
        return None


def deadly(config: EngineConfig) -> Deadly:
    return Deadly()
