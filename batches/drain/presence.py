"""Who reads cards. On one host a worker lives as long as it holds its lock file, so a restart frees leases at once.

Of another host, which may be cut off or switched off, it lives as long as it has said so within a lease.
"""

import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

from batches import clock
from batches.drain.claims import LEASE
from batches.intake.alone import alone
from batches.models import Worker


def run_folder() -> Path:
    folder = Path(settings.DATA_DIR) / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def lock_file(uid: str) -> Path:
    return run_folder() / f"{uid}.lock"


class Presence:
    """This process as a worker, from construction until `leave`."""

    def __init__(self) -> None:
        self._uid = secrets.token_hex(8)
        self._handle = os.open(lock_file(self._uid), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            now = clock.learn()
            self.worker = Worker.objects.create(
                uid=self._uid, host=socket.gethostname(), pid=os.getpid(), started_at=now, seen_at=now
            )
        except BaseException:
            self._let_go()
            raise

    def leave(self) -> None:
        Worker.objects.filter(pk=self.worker.pk).delete()
        self._let_go()

    def _let_go(self) -> None:
        lock_file(self._uid).unlink(missing_ok=True)
        os.close(self._handle)


def is_dead(worker: Worker) -> bool:
    is_silent = worker.seen_at < clock.now() - LEASE
    if worker.host != socket.gethostname():
        return is_silent
    try:
        handle = os.open(lock_file(worker.uid), os.O_RDWR)
    except FileNotFoundError:  # with PostgreSQL it may be of another machine of that name, with a folder of its own
        return is_silent or connection.vendor != "postgresql"
    try:
        return _is_free(handle)
    finally:
        os.close(handle)


def _is_free(handle: int) -> bool:
    """Shared: another process that asks the same at this moment is not taken for the worker."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def buried(worker: Worker) -> Iterator[bool | None]:
    """One process at a time frees what a dead worker held; None: another one does.

    True: what it has left on the disk is ours. False: nothing is there, or it lives on another host, cut off from the
    database, and will come back for it.
    """
    sweeping = run_folder() / f"{worker.uid}.sweeping"
    with ExitStack() as stack:
        if not stack.enter_context(alone(sweeping)):
            yield None
            return
        try:
            handle = os.open(lock_file(worker.uid), os.O_RDWR)
        except FileNotFoundError:
            yield False
        else:
            stack.callback(os.close, handle)
            yield _is_free(handle)
        sweeping.unlink(missing_ok=True)


def forget(worker: Worker, *, with_files: bool = True) -> None:
    """Remove the traces of a dead worker that holds nothing any more."""
    Worker.objects.filter(pk=worker.pk).delete()
    if with_files:
        lock_file(worker.uid).unlink(missing_ok=True)
