"""Daemon threads with a database connection of their own."""

import gc
import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from cardocr_site import log_context

log = logging.getLogger(__name__)

T = TypeVar("T")

GONE = (OperationalError, InterfaceError)  # what the database is when it is busy, full, hangs or starts anew
BUSY_PAUSE = 0.25


def relax() -> None:
    """The consumer may lose the last moment at a power cut (a reading is made again); the web process may not."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=NORMAL")


def keep_all() -> None:
    """What a thread deletes once it stands in a row must not come back by a power cut without that row."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")


def drop_broken() -> None:
    """After an error of the database: a connection that is broken would fail whatever asks next."""
    if not connection.in_atomic_block:
        close_old_connections()


def in_line(error: Exception) -> str:
    return " ".join(str(error).split())


def patiently(work: Callable[[], T], what: str, is_stopped: Callable[[], bool] = lambda: False) -> T:
    """Do it, and again as long as the database is busy, full or gone. Raises what came once that is to stop."""
    while True:
        try:
            return work()
        except GONE as error:
            drop_broken()
            if is_stopped():
                raise
            log.warning("%s: the database is busy, full or gone, trying again: %s", what, in_line(error))
            threading.Event().wait(BUSY_PAUSE)


def keep_loaded() -> None:
    """What a process has loaded by now stays, so the garbage collector need not look through it again and again.

    A tenth of the drain's CPU went into that. For the process that reads cards, once, when it begins.
    """
    gc.collect()
    gc.freeze()


def spawn(name: str, target: Callable[[], None], *, connected: bool = True) -> threading.Thread:
    """Start a daemon thread that closes its connection when it ends.

    With `connected=False` that is made when it first asks: dozens that connect while they start hold each other up.
    Its lines in the log tell what those of the thread that starts it tell.
    """
    told = log_context.told()

    def run() -> None:
        with log_context.only(**told):
            try:
                if connected:
                    relax()
                target()
            except Exception:
                log.exception("Thread %s ended.", name)
            finally:
                connection.close()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


class Rounds:
    """A thread that does its round when it is woken, and every so often; `rest` seconds lie between two at least."""

    def __init__(self, name: str, round_: Callable[[], None], every: float, rest: float = 0.0) -> None:
        self._name = name
        self._rest = rest
        self._round = round_
        self._every = every
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = spawn(self._name, self._run)

    def wake(self) -> None:
        self._bell.set()

    def stop(self, timeout: float) -> None:
        self._stopping.set()
        self._bell.set()
        if self._thread is not None:
            self._thread.join(max(0.0, timeout))

    def rest(self, seconds: float) -> None:
        """Within a round; no longer than it may go on."""
        self._stopping.wait(seconds)

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._bell.clear()
            try:
                self._round()
            except Exception:  # the next round may succeed: a full disk, a busy database
                log.exception("A round of %s failed.", self._name)
                close_old_connections()
            self._stopping.wait(self._rest)
            self._bell.wait(self._every)
