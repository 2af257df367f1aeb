"""The adapters of this process: one for each engine as an administrator last saved it, model, and payer of calls."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from django.db import DatabaseError

from ocr import probing
from ocr.engines.base import EngineAdapter, EngineConfig, Learner
from ocr.models import Engine

log = logging.getLogger(__name__)

Build = Callable[[EngineConfig], EngineAdapter]


class _Built(NamedTuple):
    """What an adapter was built for."""

    engine_id: int
    version: datetime
    model: str
    patient: bool  # with the server's first answer
    payer: Any  # whose key it has; None: the engine's own


class Adapters:
    """Thread-safe. What is taken out may have calls in flight: whoever takes it closes it once they are over."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._lock = threading.Lock()  # the local engine takes seconds to build; nobody else waits for it
        self._built: dict[_Built, EngineAdapter] = {}

    def of(self, engine: Engine, model: str, *, patient: bool) -> tuple[EngineAdapter, list[EngineAdapter]]:
        """And those that it takes the place of. Raises EngineMissing."""
        key = _Built(engine.pk, engine.version, model, patient, engine.payer)
        with self._lock:
            if key in self._built:
                return self._built[key], []
            config = _config(engine, model)
            if patient:
                config = replace(config, timeout=max(config.timeout, probing.MODEL_LOADS))
            adapter = self._build(config)
            old = self._take(lambda built: built.engine_id == engine.pk and _replaces(key, built))
            self._built[key] = adapter
            if isinstance(adapter, Learner):
                adapter.on_learnt = partial(_keep, engine, config.model)
            return adapter, old

    def take(self, engine: Engine) -> list[EngineAdapter]:
        """All of an engine."""
        with self._lock:
            return self._take(lambda built: built.engine_id == engine.pk)

    def take_all(self) -> list[EngineAdapter]:
        with self._lock:
            return self._take(lambda built: True)

    def _take(self, which: Callable[[_Built], bool]) -> list[EngineAdapter]:
        return [self._built.pop(key) for key in list(self._built) if which(key)]


def _config(engine: Engine, model: str) -> EngineConfig:
    """With what was learnt since the engine was looked up: by its first call, or by a test during the run."""
    row = Engine.objects.filter(pk=engine.pk, address=engine.address).first() or engine
    return replace(engine.config(model), profile=row.known(model))


def _keep(engine: Engine, model: str, found: dict[str, Any]) -> None:
    """Nothing that a card must wait or fail for: it would be learnt again."""
    try:
        engine.learn(model, found)
    except (DatabaseError, Engine.DoesNotExist):
        log.warning("Engine %s: what it takes could not be kept.", engine.name, exc_info=True)


def _replaces(new: _Built, old: _Built) -> bool:
    same = (old.model, old.payer) == (new.model, new.payer)
    return same and (old.patient or old.version != new.version)
