"""What time it is, for all machines alike.

With PostgreSQL it is the database's time, asked for at each heartbeat and carried on by the monotonic clock: a
machine's own clock may be wrong, or jump, and must neither free what another one holds nor let an endpoint rest for an
hour.
"""

import threading
import time
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

TRUSTED = 1.0  # seconds: a question that took longer says too little

_lock = threading.Lock()
_learnt: tuple[datetime, float] | None = None  # the time there, and by our monotonic clock


def now() -> datetime:
    """Costs no statement, but once in a process."""
    if connection.vendor != "postgresql":
        return timezone.now()
    return _carried() or learn()


def learn() -> datetime:
    """Ask again. An answer that was long in coming is used where there is no better one."""
    global _learnt
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        began = time.monotonic()  # a connection may have had to be opened first
        cursor.execute("SELECT clock_timestamp()")
        (there,) = cursor.fetchone()
    ended = time.monotonic()
    with _lock:
        if _learnt is None or ended - began <= TRUSTED:
            _learnt = there, (began + ended) / 2
    return now()


def skew() -> timedelta:
    """How far this machine's own clock is ahead."""
    return timezone.now() - now()


def _carried() -> datetime | None:
    with _lock:
        learnt = _learnt
    return learnt and learnt[0] + timedelta(seconds=time.monotonic() - learnt[1])
