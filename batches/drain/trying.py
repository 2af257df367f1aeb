"""Cards of drafts that fields and engine are tried on: read as any card is, in the consumer, kept for the start."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db.models import Q

from batches import changes, clock
from batches.drain import tries
from batches.drain.engines import Engines
from batches.drain.gate import Call
from batches.drain.outcomes import Event, Outcome, Start
from batches.drain.threads import GONE, Rounds, patiently, spawn
from batches.drain.worker import Job, Reader
from batches.models import Batch, Card, TryCard, Worker
from batches.queries import trying
from batches.queries.means import Setup, setup_of
from batches.states import BatchStatus
from cardocr_site import log_context
from ocr import people
from ocr.errors import BrokenOff, CallWithheld, EngineBusy, EngineMissing, EngineUnreachable, ExtractionError
from ocr.models import Engine

log = logging.getLogger(__name__)

EVERY = 2.0  # seconds; the doorbell is quicker
AT_ONCE = 8  # cards; their engines have limits of their own
PATIENCE = 60.0  # seconds for a free place at the engine
SOON = 0.5


class _Gate:
    """What `gate` is for cards of running batches: no request leaves that nobody wants, or may want, any more."""

    def __init__(self, row: TryCard, engine: Engine) -> None:
        self._row = row
        self._engine = engine

    def look(self, call: Call) -> None:
        batch = _wanted(self._row)
        engine = Engine.objects.get(pk=self._engine.pk)
        if batch is None:
            raise CallWithheld
        if refused := trying.refusal(batch, engine):
            raise CallWithheld(refused)

    @contextmanager
    def passing(self, call: Call) -> Iterator[None]:
        self.look(call)
        yield


def _wanted(row: TryCard) -> Batch | None:
    """Its batch; None where the try was given up or replaced, or the batch was started or deleted."""
    if not TryCard.objects.filter(pk=row.pk, worker=row.worker, finished_at=None).exists():
        return None
    drafts = Batch.objects.filter(status=BatchStatus.DRAFT, deleted_at=None)
    return drafts.filter(tryout=row.tryout_id).first()


class Trying:
    """A thread that hands out, and one for each card that is being read."""

    def __init__(
        self, worker: Worker, engines: Engines, put: Callable[[Event], None], batch_id: int | None = None
    ) -> None:
        self._worker = worker
        self._engines = engines
        self._put = put  # the collector: for whatever is no try
        self._batch_id = batch_id
        self._no_more = threading.Event()
        self._in_hand: dict[object, int] = {}  # rows, each by the thread that has it
        self._unready = False
        self._rounds = Rounds("try", self.hand_out, EVERY)

    def start(self) -> None:
        self._rounds.start()

    def wake(self) -> None:
        self._rounds.wake()

    def prepared(self) -> None:
        """A card has become ready, perhaps one that is waited for."""
        if self._unready:
            self._rounds.wake()

    def stop(self, timeout: float) -> None:
        self._no_more.set()
        self._rounds.stop(timeout)

    @property
    def is_stopping(self) -> bool:
        return self._no_more.is_set()

    def hand_out(self) -> None:
        self._end_the_broken_off()
        open_ = TryCard.objects.filter(worker="", finished_at=None, tryout__batch__deleted_at=None)
        if self._batch_id is not None:
            open_ = open_.filter(tryout__batch=self._batch_id)
        now = clock.now()
        ready = open_.filter(card__prepared_at__isnull=False).exclude(not_before__gt=now)
        for row in ready.order_by("tryout__asked_at", "place").select_related("tryout__batch__engine"):
            batch = row.tryout.batch
            if batch.engine is not None and trying.must_wait(batch, batch.engine):
                continue
            if self.is_stopping or not self._take(row):
                break
        self._unready = open_.filter(card__prepared_at=None).exists()
        if open_.filter(Q(not_before__gt=now)).exists():
            threading.Timer(SOON, self._rounds.wake).start()

    def _take(self, row: TryCard) -> bool:
        """Begin it in a thread of its own; False: enough are being read."""
        if len(self._in_hand) >= AT_ONCE:
            return False
        if TryCard.objects.filter(pk=row.pk, worker="").update(worker=self._worker.uid):  # no other process was quicker
            row.worker = self._worker.uid
            mine = object()
            self._in_hand[mine] = row.pk
            spawn(f"try-{row.pk}", lambda: self._begin(row, mine))
        return True

    def _begin(self, row: TryCard, mine: object) -> None:
        try:
            with log_context.of(batch=row.tryout.batch_id, card=row.card_id):
                self._read_or_tell(row)
        finally:
            del self._in_hand[mine]
            self._rounds.wake()

    def _read_or_tell(self, row: TryCard) -> None:
        try:
            self._read(row)
        except GONE:  # before anything was asked: what comes of a call is waited for
            self._patiently(lambda: self._give_back(row))
        except Exception:
            log.exception("Card %s could not be tried.", row.card_id)
            self._patiently(lambda: self._end(row, ExtractionError()))

    def _patiently(self, work: Callable[[], None]) -> None:
        patiently(work, "What comes of a try", lambda: self.is_stopping)

    def _read(self, row: TryCard) -> None:
        with changes.locked(row.tryout.batch_id) as change:
            change.set()  # whoever watches sees that it is being read
        batch = Batch.objects.select_related("engine", "template_version").get(pk=row.tryout.batch_id)
        card = batch.cards.select_related("back").get(pk=row.card_id)
        card.batch = batch
        if batch.engine is None or not batch.engine.enabled:
            self._end(row, EngineMissing())
        elif refused := trying.refusal(batch, batch.engine):
            self._end(row, CallWithheld(refused))
        else:
            asks = people.payer(row.tryout.asked_by, batch.engine)
            self._ask(row, card, setup_of(batch, people.keyed(batch.engine, asks)))

    def _ask(self, row: TryCard, card: Card, setup: Setup) -> None:
        engine = setup.engine
        if not row.tries:
            self._engines.heed(engine)
            self._engines.try_now(engine)  # a person wants to know whether it answers
        with self._engines.ahead(engine, lambda: self.is_stopping, PATIENCE) as probe:
            if probe is None:
                self._no_place(row, engine)
                return
            reader = Reader(self._engines, self._sorter(row), self._no_more, _Gate(row, engine))
            reader.read(Job(card, card.batch, setup, probe=probe))

    def _sorter(self, row: TryCard) -> Callable[[Event], None]:
        def put(event: Event) -> None:
            if isinstance(event, Outcome):
                self._patiently(lambda: tries.settle(row, event, self._put))
            elif isinstance(event, Start):
                if event.decided is not None:
                    event.decided.set()  # the row names the card that it dies of
            else:
                self._put(event)

        return put

    def _no_place(self, row: TryCard, engine: Engine) -> None:
        if self.is_stopping:
            self._give_back(row)
            return
        hold = self._engines.hold(engine)
        self._end(row, EngineUnreachable(hold.message) if hold else EngineBusy())

    def _give_back(self, row: TryCard) -> None:
        TryCard.objects.filter(pk=row.pk, worker=row.worker).update(worker="")

    def _end(self, row: TryCard, error: ExtractionError) -> None:
        tries.end(row, error)

    def _end_the_broken_off(self) -> None:
        """Their process is gone, or ours knows nothing of them: the database's answer never came.

        They are not begun again: the card may be what ended it, and calls cost money.
        """
        in_hand = list(self._in_hand.values())
        others = Worker.objects.exclude(uid=self._worker.uid).values("uid")
        lost = TryCard.objects.filter(finished_at=None).exclude(worker="").exclude(worker__in=others)
        lost = lost.exclude(pk__in=in_hand)
        for row in lost.select_related("tryout"):
            self._end(row, BrokenOff())
