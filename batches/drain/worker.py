"""One card: look, call, say what came of it."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Event as Flag

from django.db import DatabaseError

from batches import clock
from batches.drain import asked, gate
from batches.drain.breaker import IN_A_ROW, Failure
from batches.drain.engines import Engines
from batches.drain.outcomes import Event, Outcome, Refund, Start
from batches.drain.threads import drop_broken, in_line, patiently
from batches.intake import decoders, derive
from batches.intake.unreachable import Unreachable
from batches.models import Batch, Card, CardScan
from batches.queries.means import Setup
from cardocr_site import log_context
from ocr import alone, codes, pipeline
from ocr.engines.base import EngineAdapter, Learner, Prepared, gated
from ocr.engines.profile import smaller
from ocr.errors import (
    CallWithheld,
    EngineFailed,
    EngineTimeout,
    EngineUnreachable,
    ExtractionError,
    ImageTooLarge,
    RateLimited,
    ReplyInvalid,
    RequestRefused,
    StorageUnreachable,
    UnreadableImage,
)
from ocr.models import Engine
from ocr.reading import Reading

log = logging.getLogger(__name__)

ALONE_FROM = 2  # crashes
FIRST_BACK_OFF = 1.0  # seconds; doubled with each try
MARK_WITHIN = 60.0  # seconds for the collector to record a start; it retries on a busy database


Door = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed card and what it is to be read with."""

    card: Card
    batch: Batch
    setup: Setup
    probe: bool = False  # the one call to an endpoint that did not answer

    @property
    def engine(self) -> Engine:
        return self.setup.engine


class Unexpected(ExtractionError):
    """A full disk, or a mistake of ours: tried again, then told."""

    retryable = True


def _alone(card: Card) -> bool:
    return card.crashes >= ALONE_FROM


class Reader:
    """Thread-safe: every thread of the pool reads with the same one."""

    def __init__(self, engines: Engines, put: Callable[[Event], None], stopping: Flag, gate: gate.Gate = gate) -> None:
        self._engines = engines
        self._put = put
        self._stopping = stopping
        self._gate = gate

    def read(self, job: Job) -> None:
        """Never raises: whatever happens becomes the card's outcome."""
        batch = job.batch.pk
        with log_context.of(request=asked.by(batch), batch=batch, card=job.card.pk, engine=job.engine.pk):
            self._put(self._outcome(job))

    def _outcome(self, job: Job) -> Outcome:
        outcome = Outcome(job.card, job.batch, job.setup)
        begun = time.monotonic()
        try:
            outcome.reading = self._read(job, outcome)
            self._engines.answered(job.engine, job.card.pk, job.setup.model)
        except Unreachable as error:
            outcome.error = StorageUnreachable(error.message)
        except CallWithheld as error:
            outcome.error, outcome.started_at = error, None
        except ExtractionError as error:
            outcome.error = error
        except decoders.Stopped:
            outcome.error, outcome.started_at = CallWithheld(), None
        except DatabaseError as error:  # it restarts, or this machine was cut off: no card's fault
            log.warning("Card %s waits: the database does not answer: %s", job.card.pk, in_line(error))
            outcome.error, outcome.started_at = CallWithheld(), None
            drop_broken()
        except Exception as error:
            log.exception("Card %s: reading it failed unexpectedly.", job.card.pk)
            outcome.error = Unexpected(f"{type(error).__name__}: {error}")
        outcome.duration = time.monotonic() - begun
        if outcome.error is not None:
            outcome.retry_in = self._said(job, outcome.error, begun)
        return outcome

    def _said(self, job: Job, error: ExtractionError, begun: float) -> float:
        """As `_back_off`; what could not be looked up or told to other processes costs no card its outcome."""
        try:
            return self._back_off(job, error, begun)
        except DatabaseError as gone:
            log.warning("Card %s: the database does not answer: %s", job.card.pk, in_line(gone))
            drop_broken()
        except Exception:
            log.exception("Card %s: what its error means could not be told.", job.card.pk)
        return FIRST_BACK_OFF

    def _read(self, job: Job, outcome: Outcome) -> Reading:
        card = job.card
        call = gate.Call(job.batch.pk, card.pk, card.worker_id or 0, card.claim, job.engine.pk, job.engine.payer)
        if job.card.error == UnreadableImage.reason:
            self._gate.look(call)
            raise UnreadableImage(job.card.error_message)
        adapter = self._engines.adapter(job.engine, job.setup.model)
        if adapter.in_process or _alone(card):
            self._gate.look(call)  # before a start is noted for it; others pass the gate once, as the request leaves
        reading = self._fitting(job, adapter, call, outcome)
        reading = replace(reading, rotation=self._stood(card, reading.rotation, adapter))
        if card.back is not None:
            card.back.card = card
            reading = replace(reading, back_rotation=self._stood(card.back, reading.back_rotation, adapter))
        return codes.filled(reading, card.codes, job.setup.task.fields)

    def _stood(self, scan: Card | CardScan, found: int | None, adapter: EngineAdapter) -> int | None:
        """How the scan is to be turned from now on, after what an engine has found; its images are made so."""
        if found is None:
            return None
        # An engine of full resolution sees the scan as it lies; another one sees it turned as the card stands.
        rotation = ((0 if adapter.full_resolution else scan.rotation) + found) % 360
        if rotation != scan.rotation:
            self._turn(scan, rotation)
        return rotation

    def _turn(self, scan: Card | CardScan, rotation: int) -> None:
        try:
            derive.turn(scan, rotation)
        except (OSError, UnreadableImage):  # the reading is paid for; the viewer makes the images when asked
            log.exception("%s: its images could not be turned.", scan)

    def _fitting(self, job: Job, adapter: EngineAdapter, call: gate.Call, outcome: Outcome) -> Reading:
        """Read it, with a smaller image where the endpoint takes none of this size; what fits, fits the next ones."""
        wanted = px = job.setup.task.options.max_image_px
        latest = time.monotonic() + job.engine.timeout  # no smaller one is sent after that
        if isinstance(adapter, Learner):
            px = min(wanted, adapter.largest_px or wanted)
        image = derive.prepared(job.card, full_resolution=adapter.full_resolution, max_px=px)
        door = self._begin(job, adapter, call, outcome)
        refused = False
        while True:
            try:
                reading = self._call(job, adapter, image, door)
            except ImageTooLarge:
                px = smaller(max(side for one in (image, image.back) if one for side in (one.width, one.height)))
                if not px or time.monotonic() > latest:
                    raise
                image, refused = derive.prepared(job.card, full_resolution=False, max_px=px), True
            else:
                if refused and isinstance(adapter, Learner):
                    adapter.fitted(px)
                return reading

    def _begin(self, job: Job, adapter: EngineAdapter, call: gate.Call, outcome: Outcome) -> Door:
        """The door that each of its requests passes; the first one is the card's start."""
        now = clock.now()
        if adapter.in_process or _alone(job.card):
            door: Door = partial(self._gate.passing, call)
            self._mark(job.card, door)
        else:
            door = self._noting(call, Start(job.card, now))
        outcome.started_at = now
        return door

    def _noting(self, call: gate.Call, start: Start) -> Door:
        starts = [start]

        @contextmanager
        def door() -> Iterator[None]:
            with self._gate.passing(call):
                if starts:
                    self._put(starts.pop())
                yield

        return door

    def _call(self, job: Job, adapter: EngineAdapter, image: Prepared, door: Door) -> Reading:
        with gated(door):
            if _alone(job.card):
                config = job.engine.config(job.setup.model)
                return alone.read(image, job.setup.task, config, self._engines.build, self._stopping)
            return pipeline.read(image, job.setup.task, adapter)

    def _mark(self, card: Card, door: Door) -> None:
        """Wait until the start is recorded: a card that kills the process must be known by name."""
        decided = Flag()
        start = Start(card, clock.now(), decided)
        self._put(start)
        if not decided.wait(MARK_WITHIN) or start.refused:
            raise CallWithheld
        with door():  # it may have been paused while the mark was written
            pass

    def _back_off(self, job: Job, error: ExtractionError, begun: float) -> float:
        """Say what the error means for the engine; seconds until this card may be read again, with jitter."""
        if isinstance(error, RateLimited):
            return self._engines.rest(job.engine, error.retry_after, begun)
        if isinstance(error, gate.EngineRests):
            self._engines.heed(Engine.objects.get(pk=job.engine.pk))
        if error.pauses and not isinstance(error, StorageUnreachable):
            self._engines.refuse(job.engine, error.message)
        elif isinstance(error, ReplyInvalid | RequestRefused):
            self._engines.answered(job.engine, job.card.pk, job.setup.model)
        elif isinstance(error, EngineUnreachable | EngineTimeout | EngineFailed) and self._is_down(job, error, begun):
            return self._until_next_probe(job, error)
        if isinstance(error, CallWithheld) or not error.retryable:
            return 0.0
        wanted = FIRST_BACK_OFF * 2.0**job.card.tries
        return max(error.retry_after or 0.0, wanted * random.uniform(0.75, 1.25))  # noqa: S311

    def _is_down(self, job: Job, error: ExtractionError, begun: float) -> bool:
        """Whether the endpoint is to blame; then this call is no try of the card's."""
        if job.engine.kind == Engine.Kind.LOCAL:
            return False
        failure = Failure(
            job.card.pk,
            begun,
            last=not error.retryable or job.card.tries + 1 > job.batch.option("retries"),
            no_connection=error.no_connection,
            broken=isinstance(error, EngineUnreachable),
            loading=isinstance(error, EngineTimeout) and self._engines.may_be_loading(job.engine, job.setup.model),
        )
        error.counts = self._engines.failed(job.engine, failure)
        owed = self._engines.owed(job.engine)
        owing = Card.objects.filter(pk__in=owed)
        for card in patiently(lambda: list(owing.all()), f"Card {job.card.pk}", self._stopping.is_set):
            self._put(Refund(card, owed[card.pk]))
        return not error.counts and self._engines.probe_delay(job.engine) is not None

    def _until_next_probe(self, job: Job, error: ExtractionError) -> float:
        """Each probe is another card, where there are others: this one may be at fault after all."""
        if not job.probe or error.no_connection:
            return 0.0
        others = max(1, min(IN_A_ROW, job.batch.pending + job.batch.processing))
        return others * (self._engines.probe_delay(job.engine) or 0.0)
