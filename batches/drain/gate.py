"""The gate that every call passes: after the answer to pause or cancel, no new call starts.

A call holds the batch's gate shared from its look at the status until its request has left. Who pauses or
stops a batch commits the new status first and then waits until nobody stands in the gate.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from batches.queries.budgets import month_of
from ocr.errors import CallWithheld
from ocr.models import Engine

_SQL = (
    "SELECT e.rest_until > %s, e.place, b.options"
    " FROM batches_card c JOIN batches_batch b ON b.id = c.batch_id JOIN ocr_engine e ON e.id = %s"
    " LEFT JOIN batches_spending s ON s.engine_id = e.id AND s.month = %s"
    " WHERE c.id = %s AND c.worker_id = %s AND c.claim = %s AND c.status IN ('pending', 'processing')"
    " AND b.status = 'running' AND b.deleted_at IS NULL"
    " AND (e.kind = 'local' OR ((b.budget IS NULL OR b.cost < b.budget)"
    " AND (e.month_budget IS NULL OR COALESCE(s.cost, 0) < e.month_budget)))"
)


def _path(batch_id: int) -> Path:
    folder = Path(settings.DATA_DIR) / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"batch-{batch_id % 256}.gate"  # a few files, never removed; sharing one costs nothing


class EngineRests(CallWithheld):
    """The engine has asked for a pause, perhaps another process of ours."""


@contextmanager
def passing(batch_id: int, card_id: int, worker_id: int, claim: int, engine_id: int) -> Iterator[None]:
    """Raises EngineRests in a rest, and CallWithheld where nobody wants the call any more: the batch does not run, the
    card is another's, a budget is used up, or the scan would leave the house and must not.
    """
    handle = os.open(_path(batch_id), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        with connection.cursor() as cursor:
            now = timezone.now()
            asked_at = connection.ops.adapt_datetimefield_value(now)
            month = connection.ops.adapt_datefield_value(month_of(now))
            cursor.execute(_SQL, [asked_at, engine_id, month, card_id, worker_id, claim])
            found = cursor.fetchone()
        if found is None:
            raise CallWithheld
        rests, place, options = found
        if place == Engine.Place.OUTSIDE and json.loads(options).get("stay_inside"):
            raise CallWithheld  # whoever hands out cards says why
        if rests:
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
