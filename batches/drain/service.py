"""The one Service of a process: it owns scheduler, reading threads, collector, sweeper, filer and preparation.

Huey is only the doorbell: a task calls `service().wake(batch_id)` and returns. The rows are the queue, so a
Service that starts after a crash goes on without any doorbell.
"""

import atexit
import logging
import threading
import time
from contextlib import ExitStack

from django.conf import settings
from django.db import DatabaseError

from batches.drain import asked, claims, clearing, duplicates, filer
from batches.drain.collector import Collector
from batches.drain.engines import Engines
from batches.drain.inbox import Inbox
from batches.drain.mailing import Mailing
from batches.drain.overview import Overviews
from batches.drain.preparation import Preparation
from batches.drain.presence import Presence
from batches.drain.probing import Probing
from batches.drain.scheduler import Scheduler
from batches.drain.shares import Shares
from batches.drain.spool import Spool
from batches.drain.sweeper import EVERY, Sweeper
from batches.drain.telling import Telling
from batches.drain.threads import Rounds, drop_broken, in_line, keep_all, keep_loaded, spawn
from batches.drain.trying import Trying
from batches.drain.worker import Reader
from batches.intake import looking, opening
from cardocr_site import log_context

log = logging.getLogger(__name__)

STOP_WITHIN = 25.0  # seconds
LAST_WORDS = 3.0  # of them, kept for writing down what has been read
FILE_EVERY = 5.0
OPEN_EVERY = 5.0
LOOK_EVERY = 5.0
INBOX_EVERY = 5.0
CLEAR_EVERY = 10.0
BEGIN_EVERY = 2.0
FILE_REST = 3.0  # a round costs as much as its cards do: several groups of the collector share one


class Service:
    """Started at once; `stop` ends it in order, once. With a `batch_id` it serves that batch alone."""

    def __init__(self, *, batch_id: int | None = None, threads: int | None = None, engines: Engines | None = None):
        threads = threads or settings.EXTRACTION_THREADS
        self._stopped = threading.Event()
        self._stop_lock = threading.Lock()
        self.engines = engines or Engines()
        self._batch_id = batch_id
        with ExitStack() as undone:
            self._presence = Presence()
            undone.callback(self._presence.leave)
            self.worker = self._presence.worker
            self._spool = Spool(self.worker)
            undone.pop_all()
        self.collector = Collector(self.worker.pk, self._saved, self._spool)
        self._no_more = threading.Event()
        reader = Reader(self.engines, self.collector.put, self._no_more)
        self._scheduler = Scheduler(self.worker, reader, self.engines, threads, batch_id)
        self._trying = Trying(self.worker, self.engines, self.collector.put, batch_id)
        self._preparation = Preparation(self._prepared, batch_id)
        self._probing = Probing(self.worker, self.engines)
        self._shares = Shares(self.worker, self.engines, self._scheduler.free)
        self._sweeper = Rounds("sweep", Sweeper(self.worker, self._in_hand).sweep, EVERY)
        self._overviews = Overviews(batch_id)
        self._comparing = Rounds("compare", self._compare, FILE_EVERY)
        self._opening = Rounds("open", self._open, OPEN_EVERY)
        self._looking = Rounds("look", self._look, LOOK_EVERY)
        self._watcher = Inbox(self._taken, lambda: self._inbox.is_stopping)
        self._inbox = Rounds("inbox", self._watch, INBOX_EVERY)
        self._telling, self._mailing = Telling(), Mailing()
        self._clearing = Rounds("clear", self._clear, CLEAR_EVERY)
        self._filer = Rounds("file", self._file, FILE_EVERY, FILE_REST)
        self._scheduler.on_gone = self._sweeper.wake
        self._scheduler.on_idle = self.collector.hurry
        with log_context.only(worker=self.worker.pk):
            self._start()

    def _start(self) -> None:
        self._collecting = spawn("collect", self.collector.run)
        self._shares.start()
        self._scheduler.start()  # first: calls take time, and the others have enough of it meanwhile
        self._sweeper.start()
        self._filer.start()
        self._comparing.start()
        self._preparation.start()
        self._trying.start()
        self._opening.start()
        self._looking.start()
        if self._batch_id is None:
            self._probing.start()
            self._inbox.start()
            self._telling.start()
            self._clearing.start()
            if settings.EMAIL_URL:
                self._mailing.start()

    def test(self, engine_id: int) -> None:
        """An engine is to be tested; returns at once."""
        self._probing.wake()

    def wake(self, batch_id: int) -> None:
        """Something is to be done, for this batch at least; returns at once."""
        asked.note(batch_id)
        self._scheduler.wake()
        self._preparation.wake()
        self._trying.wake()
        self._sweeper.wake()
        self._filer.wake()
        self._comparing.wake()
        self._opening.wake()
        self._looking.wake()
        self._clearing.wake()

    def stop(self, timeout: float = STOP_WITHIN) -> None:
        """Finish the calls in flight, or give their cards back. Safe to call often, and from several threads."""
        with self._stop_lock:
            if self._stopped.is_set():
                return
            deadline = time.monotonic() + timeout
            ended = self._scheduler.stop(deadline - min(LAST_WORDS, timeout / 2))
            self._no_more.set()  # children that read a card alone are ended
            self._trying.stop(deadline - time.monotonic())
            self._preparation.stop(deadline)
            self._telling.stop(0)  # as the next ones:
            self._mailing.stop(0)
            self._probing.stop(0)  # it waits for an endpoint, and no longer than that
            self.collector.close()
            self._collecting.join(max(0.5, deadline - time.monotonic()))
            self._sweeper.stop(max(0.5, deadline - time.monotonic()))
            self._filer.stop(max(0.5, deadline - time.monotonic()))
            self._comparing.stop(max(0.5, deadline - time.monotonic()))
            self._opening.stop(max(0.5, deadline - time.monotonic()))
            self._looking.stop(max(0.5, deadline - time.monotonic()))
            self._inbox.stop(max(0.5, deadline - time.monotonic()))
            self._clearing.stop(max(0.5, deadline - time.monotonic()))
            self._shares.stop(max(0.5, deadline - time.monotonic()))
            self._telling.stop(0.5)
            self._mailing.stop(0.5)
            drop_broken()  # this thread may have connected before the database was last started
            given_back = claims.give_back(self.worker)
            if given_back:
                log.warning("%s cards in flight were given back.", given_back)
            if ended:
                self.engines.close()
            self._spool.close()
            self._presence.leave()
            self._stopped.set()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def _in_hand(self) -> set[int]:
        return self._scheduler.in_hand() | self.collector.in_hand()  # in the order in which a card passes them

    def _prepared(self, batch_id: int) -> None:
        self._scheduler.prepared(batch_id)
        self._trying.prepared()

    def _saved(self, batch_id: int) -> None:
        self._filer.wake()

    def _compare(self) -> None:
        """The first step of a large batch: what was read before is taken over."""
        for batch_id in duplicates.due(self._batch_id):
            while not self._comparing.is_stopping and duplicates.take_over_some(batch_id):
                self._filer.wake()
            self._scheduler.wake()
            self._sweeper.wake()

    def _open(self) -> None:
        """Containers that were sent, and duplicates that are wanted, become cards."""
        keep_all()
        for pk in opening.due(self._batch_id):
            if self._opening.is_stopping:
                return
            try:
                opening.go_on(pk, lambda: not self._opening.is_stopping)
            except Exception:  # a full disk; the others may be opened
                log.exception("File %s could not be opened; it is tried again.", pk)
            self._preparation.wake()

    def _look(self) -> None:
        """Cards are looked for on the sheets of drafts."""
        while not self._looking.is_stopping and looking.look(self._batch_id):
            pass

    def _watch(self) -> None:
        keep_all()
        self._watcher.look()

    def _taken(self, batch_id: int) -> None:
        self._opening.wake()
        self._preparation.wake()

    def _clear(self) -> None:
        """What an administrator has confirmed is deleted."""
        keep_all()
        clearing.go_on(lambda: self._clearing.is_stopping)

    def _file(self) -> None:
        filer.file_due(self._batch_id, lambda: self._filer.is_stopping)
        self._overviews.write_due(lambda: self._filer.is_stopping)


_lock = threading.Lock()
_service: Service | None = None
_beginning: threading.Thread | None = None
_leaving = threading.Event()


def service() -> Service:
    """This process's Service, started by the first who asks. Only the consumer asks."""
    with _lock:
        return _started()


def begin() -> None:
    """Start this process's Service; returns at once.

    One that cannot be had yet, since the database does not answer or the disk is full, is tried again until it can.
    """
    global _beginning
    with _lock:
        if _beginning is None:
            _beginning = spawn("begin", _begin, connected=False)


def stop() -> None:
    """Stop this process's Service, if there is one; none begins any more."""
    _leaving.set()
    with _lock:
        if _service is not None:
            _service.stop()


def _started() -> Service:
    global _service
    if _service is None:
        keep_loaded()
        _service = Service()
        atexit.register(_service.stop)
    return _service


def _begin() -> None:
    while not _has_begun():
        _leaving.wait(BEGIN_EVERY)


def _has_begun() -> bool:
    """Or never will."""
    try:
        with _lock:
            if not _leaving.is_set():
                _started()
    except (DatabaseError, OSError) as error:
        log.warning("No cards can be read yet; that is tried again: %s", in_line(error))
    except Exception:
        log.exception("No cards can be read yet; that is tried again.")
    else:
        return True
    drop_broken()
    return False
