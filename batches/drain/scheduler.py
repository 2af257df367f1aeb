"""Running batches take turns for free threads; a batch held back occupies none."""

import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from operator import attrgetter

from django.db import close_old_connections

from batches.drain import claims
from batches.drain.engines import Engines, cap
from batches.drain.glances import Glances
from batches.drain.outages import Outages
from batches.drain.threads import spawn
from batches.drain.worker import Job, Reader
from batches.intake import moves
from batches.models import Batch, Card, Worker
from batches.queries.means import Setup, setup_again, setup_of
from batches.states import BatchStatus
from ocr.models import Engine

log = logging.getLogger(__name__)

LOOK_EVERY = 2.0  # seconds between looks at the batches without a doorbell
REFRESH_EVERY = 10.0  # seconds after which they are loaded even where a glance shows nothing new
HUNGRY = 0.5  # seconds until a batch without a claimable card is asked again
FEW = 500  # cards: a batch with no more waiting has somebody waiting for it


Key = tuple[int, int | None]  # batch and re-reading


def _runs_of(batch: Batch) -> list[tuple[Key, Engine]]:
    """Beside cards that are read again there may be others, which a retry sent back."""
    runs: list[tuple[Key, Engine]] = []
    own, reader = batch.keyed_engine, batch.keyed_reader
    if own is not None:  # the start makes sure of one
        runs.append(((batch.pk, None), own))
    if batch.rereading is not None and reader is not None:
        runs.append(((batch.pk, batch.rereading.pk), reader))
    return runs


@dataclass(slots=True)
class Run:
    """Cards of a batch that this process reads with the same means: as its start froze them, or a re-reading's."""

    batch: Batch
    setup: Setup
    waiting: deque[Card] = field(default_factory=deque)
    flying: set[int] = field(default_factory=set)
    active: bool = True
    ask_at: float = 0.0
    served_at: float = 0.0

    def is_resumed(self, batch: Batch) -> bool:
        """Somebody wants it read on, though it was held up."""
        return not self.active or (self.batch.status, batch.status) == (BatchStatus.RUNNING, BatchStatus.QUEUED)

    @property
    def engine(self) -> Engine:
        return self.setup.engine

    @property
    def turn(self) -> tuple[float, float]:
        """The lowest is served next: calls in flight, half of them where few cards wait; then the longest not served.

        So a small batch behind a huge one gets two thirds of the threads, and the huge one still a third.
        """
        flying = len(self.flying)
        return flying / 2 if self.batch.pending <= FEW else flying, self.served_at

    def limit(self, threads: int) -> int:
        limits = [threads, cap(self.engine)]
        if self.batch.option("concurrency"):
            limits.append(max(1, int(self.batch.option("concurrency"))))
        return min(limits)


class Scheduler:
    def __init__(
        self, worker: Worker, reader: Reader, engines: Engines, threads: int, batch_id: int | None = None
    ) -> None:
        self._worker = worker
        self._reader = reader
        self._engines = engines
        self._threads = threads
        self._batch_id = batch_id
        self._outages = Outages(engines, batch_id)
        self._glances = Glances(batch_id)
        self._refreshed_at = 0.0
        self._runs: dict[Key, Run] = {}
        self._jobs: queue.SimpleQueue[tuple[Run, Job] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._in_flight = 0
        self._bell = threading.Event()
        self._look, self._ready = True, False
        self._stopping = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._main: threading.Thread | None = None
        self.on_gone: Callable[[], None] = lambda: None
        self.on_idle: Callable[[], None] = lambda: None

    def start(self) -> None:
        for number in range(self._threads):
            spawn(f"read-{number}", self._work, connected=False)
        self._main = spawn("schedule", self._run)

    def wake(self) -> None:
        """Look at the batches now."""
        self._look = True
        self._bell.set()

    def free(self) -> None:
        """More calls may be made."""
        self._bell.set()

    def prepared(self, batch_id: int) -> None:
        """A card of this batch has become ready. Where none is being read, no call may have been wanted until now."""
        for (of_batch, _rereading), run in list(self._runs.items()):
            if of_batch == batch_id:
                run.ask_at = 0.0
                self._ready = self._ready or not (run.flying or run.waiting)
                self._bell.set()

    def stop(self, deadline: float) -> bool:
        """Start no more calls, give unread cards back, wait for calls in flight; False: some are still out."""
        self._stopping.set()
        self._bell.set()
        if self._main is not None:
            self._main.join(max(0.0, deadline - time.monotonic()))
        ended = self._idle.wait(max(0.0, deadline - time.monotonic()))
        for _ in range(self._threads):
            self._jobs.put(None)
        return ended

    def in_hand(self) -> set[int]:
        """Cards that wait here, or are being read."""
        runs = list(self._runs.values())
        waiting = {card.pk for run in runs for card in tuple(run.waiting)}
        return waiting.union(*(tuple(run.flying) for run in runs))

    # -- the scheduling thread

    def _run(self) -> None:
        looked_at, idle = 0.0, False
        while not self._stopping.is_set():
            try:
                rung, self._look = self._look, False
                ready, self._ready = self._ready, False
                if rung or ready or time.monotonic() - looked_at >= LOOK_EVERY:
                    looked_at = time.monotonic()
                    self._look_at_batches(rung=rung)
                self._dispatch()
                idle, was_idle = self._idle.is_set(), idle
                if idle and not was_idle:
                    self.on_idle()
            except Exception:
                log.exception("A round of the scheduler failed.")
                close_old_connections()
                self._stopping.wait(1.0)
            self._bell.wait(HUNGRY if self._runs else LOOK_EVERY)
            self._bell.clear()
        for run in self._runs.values():
            self._release(run)

    def _look_at_batches(self, *, rung: bool) -> None:
        now, changed = time.monotonic(), self._glances.changed()
        left = any(not run.active for run in self._runs.values())
        if rung or changed or left or now - self._refreshed_at >= REFRESH_EVERY:
            self._refreshed_at = now
            if self._outages.look(self._refresh(rung=rung)):
                self._refresh(rung=True)
        for (batch_id, _rereading), run in self._runs.items():
            run.batch.pending = self._glances.pending.get(batch_id, 0)
        wanted = Counter[Engine]()
        for run in self._runs.values():
            wanted[run.engine] += self._wants(run)
        self._engines.want({engine: min(calls, self._threads) for engine, calls in wanted.items()})

    def _wants(self, run: Run) -> int:
        """How many calls at a time there are cards for here; other workers may have claimed the rest."""
        calls, most = len(run.flying) + len(run.waiting), run.limit(self._threads)
        if not run.active or calls >= most or not run.batch.pending:
            return min(calls, most)
        if self._engines.is_contended(run.engine) and not claims.ready(run.batch.pk, run.setup.rereading_id).exists():
            return calls
        return min(calls + run.batch.pending, most)

    def _refresh(self, *, rung: bool) -> Collection[Batch]:
        """Bring the runs in line with the batches that are to be read, and return those."""
        active = Batch.objects.filter(status__in=[BatchStatus.QUEUED, BatchStatus.RUNNING], deleted_at=None)
        active = active.filter(compared_upto=None)
        if self._batch_id is not None:
            active = active.filter(pk=self._batch_id)
        means = ("engine", "key_of", "template_version")
        again = ("rereading__engine", "rereading__key_of", "rereading__template_version")
        batches = list(active.select_related(*means, *again).order_by("pk"))
        wanted = {key: (batch, engine) for batch in batches for key, engine in _runs_of(batch)}
        for key, run in list(self._runs.items()):
            if key not in wanted:
                self._leave(key, run)
        for key, (batch, engine) in wanted.items():
            known = self._runs.get(key)
            self._engines.heed(engine)
            if known is None or known.is_resumed(batch):
                self._engines.try_now(engine)
            if known is None:
                self._add(key, batch, engine)
            else:
                known.batch, known.setup, known.active = batch, replace(known.setup, engine=engine), True
                known.ask_at = 0.0 if rung else known.ask_at
        return batches

    def _leave(self, key: Key, run: Run) -> None:
        """The batch is paused, stopped or done: unread cards go back, calls in flight complete."""
        self._release(run)
        if run.active:
            run.active = False
            self.on_gone()
        if not run.flying:
            del self._runs[key]

    def _add(self, key: Key, batch: Batch, engine: Engine) -> None:
        moves.settle(batch)
        again = batch.rereading if key[1] is not None else None
        self._runs[key] = Run(batch, setup_of(batch, engine) if again is None else setup_again(batch, again))

    def _release(self, run: Run) -> None:
        unread = [card.pk for card in run.waiting]
        run.waiting.clear()
        claims.release(run.batch.pk, self._worker, unread)

    def _dispatch(self) -> None:
        """Hand out cards in turns."""
        while not self._stopping.is_set() and self._free():
            for run in sorted(self._runs.values(), key=attrgetter("turn")):
                if self._serve(run):
                    break
            else:
                return

    def _free(self) -> bool:
        with self._lock:
            return self._in_flight < self._threads

    def _serve(self, run: Run) -> bool:
        if not run.active or len(run.flying) >= run.limit(self._threads) or not self._engines.room(run.engine):
            return False
        if not run.waiting and not self._claim(run):
            return False
        probe = self._engines.enter(run.engine)
        if probe is None:
            return False
        card = run.waiting.popleft()
        card.batch = run.batch
        with self._lock:
            run.flying.add(card.pk)
            self._in_flight += 1
            self._idle.clear()
        run.served_at = time.monotonic()
        self._jobs.put((run, Job(card, run.batch, run.setup, probe=probe)))
        return True

    def _claim(self, run: Run) -> bool:
        if time.monotonic() < run.ask_at:
            return False
        wanted = min(
            int(run.batch.option("chunk_size")), 2 * min(run.limit(self._threads), self._engines.at_once(run.engine))
        )
        cards = claims.take(run.batch.pk, self._worker, wanted, run.setup.rereading_id)
        run.waiting.extend(cards)
        if cards:
            run.batch.status = BatchStatus.RUNNING
        else:
            run.ask_at = time.monotonic() + HUNGRY
        return bool(cards)

    # -- the reading threads

    def _work(self) -> None:
        while (work := self._jobs.get()) is not None:
            run, job = work
            try:
                self._reader.read(job)
            except Exception:  # the thread stays; the sweeper lets go of the card
                log.exception("Card %s: what came of it could not be told.", job.card.pk)
            finally:
                self._engines.leave(job.engine, probe=job.probe)
                with self._lock:
                    run.flying.discard(job.card.pk)
                    self._in_flight -= 1
                    if not self._in_flight:
                        self._idle.set()
                if self._engines.hold(job.engine) is not None:
                    self._look = True  # its batches must say so
                self._bell.set()
