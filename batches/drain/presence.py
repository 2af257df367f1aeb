"""Who reads cards. On one host a worker lives as long as it holds its lock file, so a restart frees leases at once."""

import fcntl
import os
import secrets
import socket
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from batches.drain.claims import LEASE
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
        uid = secrets.token_hex(8)
        self._handle = os.open(lock_file(uid), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        now = timezone.now()
        self.worker = Worker.objects.create(
            uid=uid, host=socket.gethostname(), pid=os.getpid(), started_at=now, seen_at=now
        )

    def leave(self) -> None:
        Worker.objects.filter(pk=self.worker.pk).delete()
        lock_file(self.worker.uid).unlink(missing_ok=True)
        os.close(self._handle)


def is_dead(worker: Worker) -> bool:
    if worker.host != socket.gethostname():
        return worker.seen_at < timezone.now() - LEASE
    try:
        handle = os.open(lock_file(worker.uid), os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def forget(worker: Worker) -> None:
    """Remove the traces of a dead worker that holds nothing any more."""
    Worker.objects.filter(pk=worker.pk).delete()
    lock_file(worker.uid).unlink(missing_ok=True)
