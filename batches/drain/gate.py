"""The gate that every call passes: after the answer to pause or cancel, no new call starts.

A call holds the batch's gate shared from its look at the status until its request has left. Who pauses or
stops a batch commits the new status first and then waits until nobody stands in the gate.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from ocr.errors import CallWithheld

_SQL = (
    "SELECT (SELECT 1 FROM ocr_engine e WHERE e.id = %s AND e.rest_until > %s)"
    " FROM batches_card c JOIN batches_batch b ON b.id = c.batch_id"
    " WHERE c.id = %s AND c.worker_id = %s AND c.claim = %s AND c.status IN ('pending', 'processing')"
    " AND b.status = 'running' AND b.deleted_at IS NULL"
)


def _path(batch_id: int) -> Path:
    folder = Path(settings.DATA_DIR) / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"batch-{batch_id % 256}.gate"  # a few files, never removed; sharing one costs nothing


class EngineRests(CallWithheld):
    """The engine has asked for a pause, perhaps another process of ours."""


@contextmanager
def passing(batch_id: int, card_id: int, worker_id: int, claim: int, engine_id: int) -> Iterator[None]:
    """Raises CallWithheld where the batch does not run any more or the card is another's, EngineRests in a rest."""
    handle = os.open(_path(batch_id), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        with connection.cursor() as cursor:
            now = connection.ops.adapt_datetimefield_value(timezone.now())
            cursor.execute(_SQL, [engine_id, now, card_id, worker_id, claim])
            wanted = cursor.fetchone()
        if wanted is None:
            raise CallWithheld
        if wanted[0]:
            raise EngineRests
        yield
    finally:
        os.close(handle)


def wait_until_clear(batch_id: int, seconds: float = 5.0) -> bool:
    """Called after the new status is committed. False: somebody stands in the gate for too long (a stopped process)."""
    deadline = time.monotonic() + seconds
    handle = os.open(_path(batch_id), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.002)
            else:
                return True
    finally:
        os.close(handle)
