"""The engines of this process: adapters, how many calls each may have, when it rests, and whether it answers.

What all workers together may have in flight, shares.py settles.
"""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from batches import clock
from batches.drain.adapters import Adapters, Build
from batches.drain.breaker import Breaker, Failure
from batches.drain.flow import Climb, Flow
from batches.models import Pace
from batches.states import PauseReason
from ocr import engines, probing
from ocr.engines.base import EngineAdapter
from ocr.models import Engine

log = logging.getLogger(__name__)

LONGEST_REST = 60.0
BELIEVED = 3  # times in a row that an endpoint may say when to come back, and be too busy then
IN_FLIGHT_EVERY = 0.05  # seconds
WORTH_TELLING = 1.0  # seconds of rest, or of rest more than was told


def cap(engine: Engine, workers: int = 1) -> int:
    """How many calls at a time the engine may have at most, by so many workers."""
    if engine.max_in_flight:
        return engine.max_in_flight
    if engine.kind == Engine.Kind.LOCAL:
        return os.cpu_count() or 1
    found, no_more = probing.side_by_side(engine)
    most: int = settings.EXTRACTION_THREADS * workers
    return min(found, most) if found and no_more else most


def _first(engine: Engine) -> int:
    """How many calls at a time to begin with: one in the house, elsewhere as many as a test found sensible."""
    if _is_local(engine):
        return cap(engine)
    if engine.place == Engine.Place.INSIDE:
        return 1
    found, _no_more = probing.side_by_side(engine)
    return min(cap(engine), found or cap(engine))


def follow(breaker: Breaker, probe_at: datetime | None, delay: float) -> None:
    """What all workers know: it answers, or is asked again at that time."""
    breaker.follow(None if probe_at is None else (probe_at - clock.now()).total_seconds(), delay)


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


class Engines:
    """Thread-safe."""

    def __init__(self, build: Build | None = None) -> None:
        self.build = build or engines.build
        self._lock = threading.Lock()
        self._adapters = Adapters(self.build)
        self._flows: dict[int, Flow] = {}
        self._ring: Callable[[], None] | None = None

    def share_by(self, ring: Callable[[], None]) -> None:
        """From the first call on each engine is shared with other workers: `ring` settles that soon, see shares.py."""
        self._ring = ring

    def adapter(self, engine: Engine, model: str) -> EngineAdapter:
        """Raises EngineMissing. An engine that an administrator has changed gets a new adapter."""
        with self._lock:
            flow = self._flow(engine)
            patient = _is_cold(engine, model, flow)
        adapter, replaced = self._adapters.of(engine, model, patient=patient)
        self._retire(engine, replaced)
        return adapter

    def may_be_loading(self, engine: Engine, model: str) -> bool:
        """A server in the house that has not answered with this model yet."""
        with self._lock:
            return _is_cold(engine, model, self._flow(engine))

    # -- how many calls

    @contextmanager
    def ahead(self, engine: Engine, is_stopped: Callable[[], bool], seconds: float) -> Iterator[bool | None]:
        """A call that a person waits for: cards of batches leave it the next free place. As `enter` and `leave`; None
        where no place was free in so many seconds."""
        with self._lock:
            flow = self._flow(engine)
            flow.awaited += 1
            self._settle_soon(when=flow.share <= flow.in_flight)
        latest, probe = time.monotonic() + seconds, None
        try:
            while probe is None and not is_stopped():
                probe = self._enter_ahead(engine)
                if probe is not None or time.monotonic() > latest:
                    break
                threading.Event().wait(IN_FLIGHT_EVERY)
        finally:
            with self._lock:
                self._flow(engine).awaited -= 1
        try:
            yield probe
        finally:
            if probe is not None:
                self.leave(engine, probe=probe)

    def _enter_ahead(self, engine: Engine) -> bool | None:
        with self._lock:
            flow = self._flow(engine)
            return flow.enter() if self._free(flow, engine) else None

    def room(self, engine: Engine) -> int:
        """How many more calls may start now, for cards of batches."""
        with self._lock:
            flow = self._flow(engine)
            return max(0, self._free(flow, engine) - flow.awaited)

    def _free(self, flow: Flow, engine: Engine) -> int:
        return 0 if engine.lacks or engine.payer in flow.refusals else flow.places(cap(engine))

    def enter(self, engine: Engine) -> bool | None:
        """A card's call begins, where there is room; True: as a probe, which `leave` wants to know. None: no room."""
        with self._lock:
            flow = self._flow(engine)
            return flow.enter() if self._free(flow, engine) > flow.awaited else None

    def leave(self, engine: Engine, *, probe: bool = False) -> None:
        with self._lock:
            flow = self._flow(engine)
            flow.leave(probe=probe)
            self._settle_soon(when=flow.gives_back)
            unused, flow.retired = (flow.retired, []) if not flow.in_flight else ([], flow.retired)
        for adapter in unused:
            adapter.close()

    @contextmanager
    def set_aside(self, engine: Engine, is_stopped: Callable[[], bool]) -> Iterator[None]:
        """For a test, begun once the calls in flight are over: no card is read with it meanwhile, by no worker.

        Otherwise both together would pass its limit, and the test would measure what the cards leave of it.
        """
        with self._lock:
            flow = self._flow(engine)
            flow.is_tested, flow.is_quiet = True, not flow.is_shared
            self._settle_soon()
        try:
            latest = time.monotonic() + engine.timeout
            while (flow.in_flight or not flow.is_quiet) and time.monotonic() < latest and not is_stopped():
                threading.Event().wait(IN_FLIGHT_EVERY)
            yield
        finally:
            flow.is_tested = False

    # -- shared with other workers

    def want(self, wanted: Mapping[Engine, int]) -> None:
        """How many calls at a time there are cards of batches for: of each engine that there are any for."""
        with self._lock:
            for engine in wanted:
                self._flow(engine)
            by_id = {engine.pk: calls for engine, calls in wanted.items()}
            for engine_id, flow in self._flows.items():
                flow.wanted = by_id.get(engine_id, 0)
                self._settle_soon(when=flow.wanted > 0 and not flow.share)

    def at_once(self, engine: Engine) -> int:
        """How many calls may be in flight here, as it stands."""
        with self._lock:
            flow = self._flow(engine)
            return min(cap(engine), flow.share) if flow.is_shared else cap(engine)

    def is_contended(self, engine: Engine) -> bool:
        """Other workers call it as well."""
        with self._lock:
            flow = self._flow(engine)
            return flow.is_shared and not flow.is_alone

    def in_use(self) -> list[int]:
        """Engines whose shares are to be settled: that are called, or wanted, or were and are to be let go of."""
        with self._lock:
            return [engine_id for engine_id, flow in self._flows.items() if flow.is_in_use]

    @contextmanager
    def flowing(self, engine: Engine) -> Iterator[Flow]:
        """What is known of its calls, for as long as nothing can begin or end."""
        with self._lock:
            yield self._flow(engine)

    # -- what the calls say

    def answered(self, engine: Engine, card: int, model: str = "") -> None:
        """The endpoint gave an answer, whatever is in it."""
        with self._lock:
            flow = self._flow(engine)
            flow.limited = 0
            flow.warm.add(model)
            if flow.breaker.answered(card):
                log.warning("Engine %s answers again.", engine.name)
                self._tell_of_outage(flow)
            flow.answered(cap(engine))

    def failed(self, engine: Engine, failure: Failure) -> bool:
        """The endpoint did not answer; True: the card is charged with it."""
        with self._lock:
            flow = self._flow(engine)
            was_open, before = flow.breaker.is_open, flow.breaker.due_at
            charged = flow.breaker.failed(failure)
            opened = flow.breaker.is_open and not was_open
            if opened and not _is_local(engine):
                flow.begin(1)
            if flow.breaker.due_at != before:
                self._tell_of_outage(flow)
        if opened:
            log.warning("Engine %s does not answer.", engine.name)
        return charged

    def follow(self, engine: Engine) -> None:
        """What other workers have found of an engine that this one may not have called for long."""
        if self._ring is None:
            return
        pace = Pace.objects.filter(engine=engine).first()
        with self._lock:
            flow = self._flow(engine)
            if pace is not None and not flow.news.outage:
                follow(flow.breaker, pace.probe_at, pace.probe_delay)

    def owed(self, engine: Engine) -> dict[int, int]:
        """{card: tries} that an outage was charged to before it was known for one; told once."""
        with self._lock:
            return self._flow(engine).breaker.owed()

    def refuse(self, engine: Engine, said: str) -> None:
        """The key was refused: no call before a person has changed something."""
        with self._lock:
            flow = self._flow(engine)
            flow.refusals[engine.payer] = said
            flow.refused[engine.payer] = engine.version
            if not _is_local(engine):
                flow.begin(1)
                self._settle_soon()

    def rest(self, engine: Engine, seconds: float | None, begun: float = 0.0) -> float:
        """A rate limit: no call to this engine, by any thread, before it has rested; returns how long."""
        with self._lock:
            flow, now = self._flow(engine), time.monotonic()
            if begun >= flow.lowered_at:  # one burst is one limit met
                flow.meet_limit(cap(engine))
                self._settle_soon()
            wanted = min(2.0 ** min(max(flow.limited, 1) - 1, 6), LONGEST_REST) * random.uniform(0.75, 1.25)  # noqa: S311
            if seconds is not None:  # it asks for so long; who is refused after each such rest waits longer
                wanted = seconds if flow.limited <= BELIEVED else max(seconds, wanted)
            flow.rest_until = max(flow.rest_until, now + wanted)
        log.info("Engine %s rests for %.1f s: it asked for fewer calls.", engine.name, wanted)
        if wanted >= WORTH_TELLING:
            self._tell(engine, clock.now() + timedelta(seconds=wanted))
        return wanted

    def _tell(self, engine: Engine, until: datetime) -> None:
        """Into the row, once a burst: every process that calls this engine rests with it."""
        with self._lock:
            flow = self._flow(engine)
            if flow.told_until is not None and until < flow.told_until + timedelta(seconds=WORTH_TELLING):
                return
            flow.told_until = until
        shorter = Engine.objects.filter(Q(rest_until=None) | Q(rest_until__lt=until), pk=engine.pk)
        shorter.update(rest_until=until)

    def heed(self, engine: Engine) -> None:
        """A row as it stands now: where another process was asked to wait, this one waits, too."""
        until = engine.rest_until
        seconds = (until - clock.now()).total_seconds() if until is not None else 0.0
        with self._lock:
            flow = self._flow(engine)
            if until is None or seconds <= 0 or (flow.told_until is not None and until <= flow.told_until):
                return
            flow.told_until = until
            flow.rest_until = max(flow.rest_until, time.monotonic() + seconds)

    # -- what the batches must know

    def hold(self, engine: Engine) -> Hold | None:
        """Set while not even a probe may start."""
        with self._lock:
            flow = self._flow(engine)
            if engine.lacks or engine.payer in flow.refusals:
                return Hold(PauseReason.CREDENTIALS, engine.lacks or flow.refusals[engine.payer])
            if flow.breaker.holds:
                message = _("%(host)s does not answer") % {"host": host(engine)}
                return Hold(PauseReason.ENDPOINT, message, flow.breaker.probe_in)
        return None

    def refused_version(self, engine: Engine) -> datetime | None:
        """The version of engine and key that was refused last."""
        with self._lock:
            return self._flow(engine).refused.get(engine.payer)

    def probe_delay(self, engine: Engine) -> float | None:
        """Seconds between probes; None: the endpoint is thought to answer."""
        with self._lock:
            breaker = self._flow(engine).breaker
            return breaker.delay if breaker.is_open else None

    def wants_probe(self, engine: Engine) -> bool:
        with self._lock:
            flow = self._flow(engine)
            due = flow.breaker.is_open and not flow.breaker.holds and not flow.probes
            if due and flow.is_shared:
                flow.wished_at = time.monotonic()
                self._settle_soon(when=not flow.may_probe)
            return due and (flow.may_probe or not flow.is_shared)

    def has_answered(self, engine: Engine) -> bool:
        """In this process, and it is not thought to be down."""
        with self._lock:
            breaker = self._flow(engine).breaker
            return breaker.has_answered and not breaker.is_open

    def tested(self, engine: Engine) -> None:
        """A test has found what it takes and how many calls at a time are sensible: begin with that."""
        self._retire(engine, self._adapters.take(engine))
        with self._lock:
            flow = self._flow(engine)
            flow.begin(_first(engine))
            self._settle_soon()

    def adopt(self, engine: Engine, seconds: float) -> None:
        """Another process, or this one before its restart, has paused batches for this engine."""
        with self._lock:
            self._flow(engine).breaker.adopt(seconds)

    def try_now(self, engine: Engine) -> None:
        """A person started or resumed a batch: it is tried, with one call."""
        with self._lock:
            flow = self._flow(engine)
            flow.refusals.pop(engine.payer, None)
            self._ask_now(flow)

    def close(self) -> None:
        adapters = self._adapters.take_all()
        for flow in self._flows.values():
            adapters += flow.retired
        for adapter in adapters:
            adapter.close()

    def _retire(self, engine: Engine, adapters: list[EngineAdapter]) -> None:
        """Calls in flight end with the adapter that they have."""
        with self._lock:
            self._flow(engine).retired += adapters

    def _flow(self, engine: Engine) -> Flow:
        if engine.pk not in self._flows:
            breaker = Breaker(settings.PROBE_SECONDS, settings.PROBE_SECONDS_MAX)
            self._flows[engine.pk] = Flow(breaker, Climb(_first(engine)), is_shared=self._ring is not None)
        flow = self._flows[engine.pk]
        if flow.version is None:
            flow.version = engine.updated_at
        elif engine.updated_at > flow.version:  # an administrator has saved it: what was known may be over
            flow.version, flow.refusals = engine.updated_at, {}
            self._ask_now(flow)
        return flow

    def _ask_now(self, flow: Flow) -> None:
        if flow.breaker.holds:
            flow.breaker.try_now()
            self._tell_of_outage(flow)

    def _tell_of_outage(self, flow: Flow) -> None:
        flow.news.outage = True
        self._settle_soon()

    def _settle_soon(self, *, when: bool = True) -> None:
        if self._ring is not None and when:
            self._ring()


def _is_cold(engine: Engine, model: str, flow: Flow) -> bool:
    return engine.place == Engine.Place.INSIDE and not _is_local(engine) and model not in flow.warm


def _is_local(engine: Engine) -> bool:
    return engine.kind == Engine.Kind.LOCAL
