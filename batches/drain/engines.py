"""The engines of this process: one adapter per configuration, how many calls each may have, and when it rests."""

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable

from ocr import engines
from ocr.engines.base import EngineAdapter, EngineConfig
from ocr.models import Engine

log = logging.getLogger(__name__)

Build = Callable[[EngineConfig], EngineAdapter]
CALLS_AT_A_TIME = 4  # where nobody has said what an endpoint bears
LONGEST_REST = 60.0


def cap(engine: Engine) -> int:
    if engine.max_in_flight:
        return engine.max_in_flight
    return os.cpu_count() or 1 if engine.kind == Engine.Kind.LOCAL else CALLS_AT_A_TIME


class Engines:
    """Thread-safe."""

    def __init__(self, build: Build | None = None) -> None:
        self.build = build or engines.build
        self._lock = threading.Lock()
        self._building = threading.Lock()  # the local engine takes seconds; nobody else waits for it
        self._adapters: dict[tuple[object, ...], EngineAdapter] = {}
        self._in_flight: Counter[int] = Counter()
        self._rest_until: dict[int, float] = {}
        self._limited: Counter[int] = Counter()

    def adapter(self, engine: Engine, model: str) -> EngineAdapter:
        """Raises EngineMissing. An engine that an administrator has changed gets a new adapter."""
        key = (engine.pk, engine.updated_at, model)
        with self._building:
            if key not in self._adapters:
                self._adapters[key] = self.build(engine.config(model))
            return self._adapters[key]

    def room(self, engine: Engine) -> int:
        """How many more calls may start now."""
        with self._lock:
            if time.monotonic() < self._rest_until.get(engine.pk, 0.0):
                return 0
            return max(0, cap(engine) - self._in_flight[engine.pk])

    def enter(self, engine: Engine) -> None:
        with self._lock:
            self._in_flight[engine.pk] += 1

    def leave(self, engine: Engine) -> None:
        with self._lock:
            self._in_flight[engine.pk] -= 1

    def answered(self, engine: Engine) -> None:
        with self._lock:
            self._limited[engine.pk] = 0

    def rest(self, engine: Engine, seconds: float | None) -> float:
        """A rate limit: no call to this engine, by any thread, before it has rested; returns how long."""
        with self._lock:
            self._limited[engine.pk] += 1
            wanted = seconds if seconds is not None else 2.0 ** min(self._limited[engine.pk] - 1, 6)
            wanted = min(wanted, LONGEST_REST) if seconds is None else wanted
            self._rest_until[engine.pk] = max(self._rest_until.get(engine.pk, 0.0), time.monotonic() + wanted)
        log.info("Engine %s rests for %.1f s: it asked for fewer calls.", engine.name, wanted)
        return wanted

    def close(self) -> None:
        with self._building:
            adapters, self._adapters = list(self._adapters.values()), {}
        for adapter in adapters:
            adapter.close()
