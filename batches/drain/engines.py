"""The engines of this process: adapters, how many calls each may have, when it rests, and whether it answers."""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from batches.drain.breaker import Breaker, Failure
from batches.states import PauseReason
from ocr import engines, probing
from ocr.engines.base import EngineAdapter, EngineConfig, Learner
from ocr.models import Engine

log = logging.getLogger(__name__)

Build = Callable[[EngineConfig], EngineAdapter]
LONGEST_REST = 60.0
BELIEVED = 3  # times in a row that an endpoint may say when to come back, and be too busy then
IN_FLIGHT_EVERY = 0.05  # seconds
WORTH_TELLING = 1.0  # seconds of rest, or of rest more than was told


def cap(engine: Engine) -> int:
    """How many calls at a time the engine may have at most."""
    if engine.max_in_flight:
        return engine.max_in_flight
    if engine.kind == Engine.Kind.LOCAL:
        return os.cpu_count() or 1
    found, no_more = probing.side_by_side(engine)
    most: int = settings.EXTRACTION_THREADS
    return min(found, most) if found and no_more else most


def _first(engine: Engine) -> int:
    """How many calls at a time to begin with: one in the house, elsewhere as many as a test found sensible."""
    if _is_local(engine):
        return cap(engine)
    if engine.place == Engine.Place.INSIDE:
        return 1
    found, _no_more = probing.side_by_side(engine)
    return min(cap(engine), found or cap(engine))


def host(engine: Engine) -> str:
    """Whom people would look for, without anything secret."""
    found = urlsplit(engine.address)
    return (found.netloc.rpartition("@")[2] or engine.name)[:100]


@dataclass(frozen=True, slots=True)
class Hold:
    """Why no call to an engine may start, and in how many seconds one may (None: a person must act)."""

    reason: PauseReason
    message: str
    seconds: float | None = None


@dataclass(slots=True)
class _State:
    breaker: Breaker
    limit: int  # calls at a time, for now
    climbing: bool = True  # no limit met yet: one more call for each answer, later one more for a round of them
    answers: int = 0  # since the limit was changed
    in_flight: int = 0
    awaited: int = 0  # calls that a person sits and waits for: the next free places are theirs
    probes: int = 0
    rest_until: float = 0.0
    told_until: datetime | None = None  # the rest that is known to the other processes, or from them
    limited: int = 0
    lowered_at: float = 0.0
    version: datetime | None = None  # of the engine, as it was last called
    # Of whose key (None: the engine's own): what the endpoint said of it.
    refusals: dict[Any, str] = field(default_factory=dict)
    refused: dict[Any, datetime] = field(default_factory=dict)  # the version of engine and key that it said this of
    warm: set[str] = field(default_factory=set)  # models that have answered
    is_tested: bool = False
    retired: list[EngineAdapter] = field(default_factory=list)  # closed when no call can be using them any more

    def start_low(self) -> None:
        self.limit, self.climbing, self.answers = 1, True, 0


class _Built(NamedTuple):
    """What an adapter was built for."""

    engine_id: int
    version: datetime
    model: str
    patient: bool  # with the server's first answer
    payer: Any  # whose key it has; None: the engine's own


class Engines:
    """Thread-safe."""

    def __init__(self, build: Build | None = None) -> None:
        self.build = build or engines.build
        self._lock = threading.Lock()
        self._building = threading.Lock()  # the local engine takes seconds; nobody else waits for it
        self._adapters: dict[_Built, EngineAdapter] = {}
        self._states: dict[int, _State] = {}

    def adapter(self, engine: Engine, model: str) -> EngineAdapter:
        """Raises EngineMissing. An engine that an administrator has changed gets a new adapter."""
        with self._lock:
            state = self._state(engine)
            patient = _is_cold(engine, model, state)
        key = _Built(engine.pk, engine.version, model, patient, engine.payer)
        with self._building:
            if key not in self._adapters:
                config = _config(engine, model)
                if patient:
                    config = replace(config, timeout=max(config.timeout, probing.MODEL_LOADS))
                adapter = self.build(config)
                self._retire(engine, lambda old: _replaces(key, old))
                self._adapters[key] = adapter
                if isinstance(adapter, Learner):
                    adapter.on_learnt = partial(_keep, engine, config.model)
            return self._adapters[key]

    def may_be_loading(self, engine: Engine, model: str) -> bool:
        """A server in the house that has not answered with this model yet."""
        with self._lock:
            return _is_cold(engine, model, self._state(engine))

    # -- how many calls

    @contextmanager
    def ahead(self, engine: Engine, is_stopped: Callable[[], bool], seconds: float) -> Iterator[bool | None]:
        """A call that a person waits for: cards of batches leave it the next free place. As `enter` and `leave`; None
        where no place was free in so many seconds."""
        with self._lock:
            self._state(engine).awaited += 1
        latest, probe = time.monotonic() + seconds, None
        try:
            while probe is None and not is_stopped():
                probe = self._enter_ahead(engine)
                if probe is not None or time.monotonic() > latest:
                    break
                threading.Event().wait(IN_FLIGHT_EVERY)
        finally:
            with self._lock:
                self._state(engine).awaited -= 1
        try:
            yield probe
        finally:
            if probe is not None:
                self.leave(engine, probe=probe)

    def _enter_ahead(self, engine: Engine) -> bool | None:
        with self._lock:
            if not self._places(self._state(engine), engine):
                return None
            return self._enter(self._state(engine))

    def room(self, engine: Engine) -> int:
        """How many more calls may start now, for cards of batches."""
        with self._lock:
            state = self._state(engine)
            return max(0, self._places(state, engine) - state.awaited)

    def _places(self, state: _State, engine: Engine) -> int:
        if state.is_tested or time.monotonic() < state.rest_until:
            return 0
        if engine.lacks or engine.payer in state.refusals or state.breaker.holds:
            return 0
        if state.breaker.is_open:
            return max(0, 1 - state.probes)
        return max(0, min(state.limit, cap(engine)) - state.in_flight)

    def enter(self, engine: Engine) -> bool:
        """A call begins; True: as a probe. `leave` wants to know."""
        with self._lock:
            return self._enter(self._state(engine))

    def _enter(self, state: _State) -> bool:
        probe = state.breaker.is_open
        state.in_flight += 1
        state.probes += probe
        return probe

    def leave(self, engine: Engine, *, probe: bool = False) -> None:
        with self._lock:
            state = self._state(engine)
            state.in_flight -= 1
            state.probes -= probe
            unused, state.retired = (state.retired, []) if not state.in_flight else ([], state.retired)
        for adapter in unused:
            adapter.close()

    @contextmanager
    def set_aside(self, engine: Engine, is_stopped: Callable[[], bool]) -> Iterator[None]:
        """For a test, begun once the calls in flight are over: no card of this process is read with it meanwhile.

        Otherwise both together would pass its limit, and the test would measure what the cards leave of it.
        """
        with self._lock:
            state = self._state(engine)
            state.is_tested = True
        try:
            latest = time.monotonic() + engine.timeout
            while state.in_flight and time.monotonic() < latest and not is_stopped():
                threading.Event().wait(IN_FLIGHT_EVERY)
            yield
        finally:
            state.is_tested = False

    # -- what the calls say

    def answered(self, engine: Engine, card: int, model: str = "") -> None:
        """The endpoint gave an answer, whatever is in it."""
        with self._lock:
            state = self._state(engine)
            state.limited = 0
            state.warm.add(model)
            if state.breaker.answered(card):
                log.warning("Engine %s answers again.", engine.name)
            if state.limit < cap(engine):
                state.answers += 1
                if state.climbing or state.answers >= state.limit:
                    state.limit, state.answers = state.limit + 1, 0

    def failed(self, engine: Engine, failure: Failure) -> bool:
        """The endpoint did not answer; True: the card is charged with it."""
        with self._lock:
            state = self._state(engine)
            was_open = state.breaker.is_open
            charged = state.breaker.failed(failure)
            opened = state.breaker.is_open and not was_open
            if opened and not _is_local(engine):
                state.start_low()
        if opened:
            log.warning("Engine %s does not answer.", engine.name)
        return charged

    def owed(self, engine: Engine) -> dict[int, int]:
        """{card: tries} that an outage was charged to before it was known for one; told once."""
        with self._lock:
            return self._state(engine).breaker.owed()

    def refuse(self, engine: Engine, said: str) -> None:
        """The key was refused: no call before a person has changed something."""
        with self._lock:
            state = self._state(engine)
            state.refusals[engine.payer] = said
            state.refused[engine.payer] = engine.version
            if not _is_local(engine):
                state.start_low()

    def rest(self, engine: Engine, seconds: float | None, begun: float = 0.0) -> float:
        """A rate limit: no call to this engine, by any thread, before it has rested; returns how long."""
        with self._lock:
            state, now = self._state(engine), time.monotonic()
            if begun >= state.lowered_at:  # one burst is one limit met
                state.limited += 1
                state.limit, state.climbing, state.answers = max(1, min(state.limit, cap(engine)) // 2), False, 0
                state.lowered_at = now
            wanted = min(2.0 ** min(max(state.limited, 1) - 1, 6), LONGEST_REST) * random.uniform(0.75, 1.25)  # noqa: S311
            if seconds is not None:  # it asks for so long; who is refused after each such rest waits longer
                wanted = seconds if state.limited <= BELIEVED else max(seconds, wanted)
            state.rest_until = max(state.rest_until, now + wanted)
            calls = state.limit
        log.info("Engine %s rests for %.1f s: it asked for fewer calls.", engine.name, wanted)
        if wanted > WORTH_TELLING:
            self._tell(engine, timezone.now() + timedelta(seconds=wanted), calls)
        return wanted

    def _tell(self, engine: Engine, until: datetime, calls: int) -> None:
        """Into the row, once a burst: every process that calls this engine rests with it."""
        with self._lock:
            state = self._state(engine)
            if state.told_until is not None and until < state.told_until + timedelta(seconds=WORTH_TELLING):
                return
            state.told_until = until
        shorter = Engine.objects.filter(Q(rest_until=None) | Q(rest_until__lt=until), pk=engine.pk)
        shorter.update(rest_until=until, calls_after_rest=calls)

    def heed(self, engine: Engine) -> None:
        """A row as it stands now: where another process was asked to wait, this one waits and lowers its calls too."""
        until = engine.rest_until
        seconds = (until - timezone.now()).total_seconds() if until is not None else 0.0
        with self._lock:
            state = self._state(engine)
            if until is None or seconds <= 0 or (state.told_until is not None and until <= state.told_until):
                return
            state.told_until = until
            state.rest_until = max(state.rest_until, time.monotonic() + seconds)
            if engine.calls_after_rest:
                state.limit = max(1, min(state.limit, engine.calls_after_rest))
                state.climbing, state.answers = False, 0

    # -- what the batches must know

    def hold(self, engine: Engine) -> Hold | None:
        """Set while not even a probe may start."""
        with self._lock:
            state = self._state(engine)
            if engine.lacks or engine.payer in state.refusals:
                return Hold(PauseReason.CREDENTIALS, engine.lacks or state.refusals[engine.payer])
            if state.breaker.holds:
                message = _("%(host)s does not answer") % {"host": host(engine)}
                return Hold(PauseReason.ENDPOINT, message, state.breaker.probe_in)
        return None

    def refused_version(self, engine: Engine) -> datetime | None:
        """The version of engine and key that was refused last."""
        with self._lock:
            return self._state(engine).refused.get(engine.payer)

    def probe_delay(self, engine: Engine) -> float | None:
        """Seconds between probes; None: the endpoint is thought to answer."""
        with self._lock:
            breaker = self._state(engine).breaker
            return breaker.delay if breaker.is_open else None

    def wants_probe(self, engine: Engine) -> bool:
        with self._lock:
            state = self._state(engine)
            return state.breaker.is_open and not state.breaker.holds and not state.probes

    def has_answered(self, engine: Engine) -> bool:
        """In this process, and it is not thought to be down."""
        with self._lock:
            breaker = self._state(engine).breaker
            return breaker.has_answered and not breaker.is_open

    def tested(self, engine: Engine) -> None:
        """A test has found what it takes and how many calls at a time are sensible: begin with that."""
        with self._building:
            self._retire(engine, lambda old: True)
        with self._lock:
            state = self._state(engine)
            state.limit, state.climbing, state.answers = _first(engine), True, 0

    def adopt(self, engine: Engine, seconds: float) -> None:
        """Another process, or this one before its restart, has paused batches for this engine."""
        with self._lock:
            self._state(engine).breaker.adopt(seconds)

    def try_now(self, engine: Engine) -> None:
        """A person started or resumed a batch: it is tried, with one call."""
        with self._lock:
            state = self._state(engine)
            state.refusals.pop(engine.payer, None)
            state.breaker.try_now()

    def close(self) -> None:
        with self._building:
            adapters, self._adapters = list(self._adapters.values()), {}
        for state in self._states.values():
            adapters += state.retired
        for adapter in adapters:
            adapter.close()

    def _retire(self, engine: Engine, which: Callable[[_Built], bool]) -> None:
        """Calls in flight end with the adapter that they have."""
        old = [key for key in self._adapters if key.engine_id == engine.pk and which(key)]
        with self._lock:
            self._state(engine).retired += [self._adapters.pop(key) for key in old]

    def _state(self, engine: Engine) -> _State:
        if engine.pk not in self._states:
            breaker = Breaker(settings.PROBE_SECONDS, settings.PROBE_SECONDS_MAX)
            self._states[engine.pk] = _State(breaker, _first(engine))
        state = self._states[engine.pk]
        if state.version is None:
            state.version = engine.updated_at
        elif engine.updated_at > state.version:  # an administrator has saved it: what was known may be over
            state.version, state.refusals = engine.updated_at, {}
            state.breaker.try_now()
        return state


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


def _is_cold(engine: Engine, model: str, state: _State) -> bool:
    return engine.place == Engine.Place.INSIDE and not _is_local(engine) and model not in state.warm


def _is_local(engine: Engine) -> bool:
    return engine.kind == Engine.Kind.LOCAL
