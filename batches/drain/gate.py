"""The gate that every call passes: after the answer to pause or cancel, no new call starts.

A call holds the batch's gate shared from its look at the status until its request has left. Who pauses or
stops a batch commits the new status first and then waits until nobody stands in the gate. It is a file lock where all
processes are on one machine, and an advisory lock of PostgreSQL where they may be on several.
"""

import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from django.conf import settings
from django.db import DatabaseError, connection

from batches import clock
from batches.queries.budgets import month_of
from ocr.errors import CallWithheld
from ocr.models import Engine

GATES = 20_261_129  # the class of their advisory locks

_SQL = (
    "SELECT e.rest_until > %s, e.place, b.options,"
    " CASE WHEN c.rereading_id IS NULL THEN b.key_of_id ELSE r.key_of_id END, u.is_active"
    " FROM batches_card c JOIN batches_batch b ON b.id = c.batch_id JOIN ocr_engine e ON e.id = %s"
    " LEFT JOIN batches_rereading r ON r.id = c.rereading_id"
    " LEFT JOIN ocr_ownkey k ON k.engine_id = e.id AND k.address = e.address"
    " AND k.user_id = CASE WHEN c.rereading_id IS NULL THEN b.key_of_id ELSE r.key_of_id END"
    " LEFT JOIN accounts_user u ON u.id = k.user_id"
    " LEFT JOIN batches_spending s ON s.engine_id = e.id AND s.month = %s"
    " WHERE c.id = %s AND c.worker_id = %s AND c.claim = %s AND c.status IN ('pending', 'processing')"
    " AND b.status = 'running' AND b.deleted_at IS NULL"
    " AND (e.kind = 'local' OR ((b.budget IS NULL OR b.cost < b.budget)"
    " AND (e.month_budget IS NULL OR COALESCE(s.cost, 0) < e.month_budget)))"
)


def _open(batch_id: int) -> int:
    """A descriptor of its own: locks of one that is shared would be shared, too."""
    folder = f"{settings.DATA_DIR}/run"
    path = f"{folder}/batch-{batch_id % 256}.gate"  # a few files, never removed; sharing one costs nothing
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        Path(folder).mkdir(mode=0o700, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


class EngineRests(CallWithheld):
    """The engine has asked for a pause, perhaps another process of ours."""


class Call(NamedTuple):
    """What is asked for at the gate: the card as it was claimed."""

    batch_id: int
    card_id: int
    worker_id: int
    claim: int
    engine_id: int
    payer: uuid.UUID | None = None  # whose key it is made with; None: the engine's own


class Gate(Protocol):
    """This module keeps it for cards of running batches."""

    def look(self, call: Call) -> None: ...

    def passing(self, call: Call) -> AbstractContextManager[None]: ...


def look(call: Call) -> None:
    """Raises EngineRests in a rest, and CallWithheld where nobody wants the call any more: the batch does not run, the
    card is another's, another key is meant, a budget is used up, or the scan would leave the house and must not.
    """
    now = clock.now()
    asked_at = connection.ops.adapt_datetimefield_value(now)
    month = connection.ops.adapt_datefield_value(month_of(now))
    with connection.cursor() as cursor:
        cursor.execute(_SQL, [asked_at, call.engine_id, month, call.card_id, call.worker_id, call.claim])
        found = cursor.fetchone()
    if found is None:
        raise CallWithheld
    rests, place, options, key_of, payer_is_active = found
    if place == Engine.Place.OUTSIDE and json.loads(options).get("stay_inside"):
        raise CallWithheld  # whoever hands out cards says why
    payer = uuid.UUID(str(key_of)) if key_of else None
    if payer != call.payer or (payer is not None and not payer_is_active):
        raise CallWithheld  # another key is meant by now, or there is none any more
    if rests:
        raise EngineRests


@contextmanager
def passing(call: Call) -> Iterator[None]:
    """As `look`; and who is inside is waited for by those who pause or stop the batch."""
    with _advised(call.batch_id) if connection.vendor == "postgresql" else _held(call.batch_id):
        look(call)
        yield


@contextmanager
def _held(batch_id: int) -> Iterator[None]:
    handle = _open(batch_id)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def _advised(batch_id: int) -> Iterator[None]:
    """Its own statement: what is looked up after it sees what was committed before it. Lost with the connection."""
    _ask("SELECT pg_advisory_lock_shared(%s, %s)", batch_id)
    try:
        yield
    finally:
        with suppress(DatabaseError):  # the connection is gone, and the lock with it
            _ask("SELECT pg_advisory_unlock_shared(%s, %s)", batch_id)


def _ask(sql: str, batch_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, [GATES, batch_id % 2**31])
        return bool(cursor.fetchone()[0])


def wait_until_clear(batch_id: int, seconds: float = 5.0) -> bool:
    """Called after the new status is committed. False: somebody stands in the gate for too long (a stopped process)."""
    deadline = time.monotonic() + seconds
    is_clear = _is_clear_everywhere if connection.vendor == "postgresql" else _is_clear_here
    while not is_clear(batch_id):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def _is_clear_here(batch_id: int) -> bool:
    handle = _open(batch_id)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _is_clear_everywhere(batch_id: int) -> bool:
    if not _ask("SELECT pg_try_advisory_lock(%s, %s)", batch_id):
        return False
    return _ask("SELECT pg_advisory_unlock(%s, %s)", batch_id)
