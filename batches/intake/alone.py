"""One process at a time for a piece of work; whoever comes second leaves it alone.

With PostgreSQL the processes may be on several machines that share no folder: the lock is the database's then, on a
connection of its own. A machine that is cut off loses it within half a minute (cardocr_site/databases.py) and may still
be at work then. So what is done under it is guarded by its rows, too: twice costs time, and nothing else.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.utils import Error

log = logging.getLogger(__name__)


def alone(lock: Path) -> AbstractContextManager[bool]:
    """False while another process, or another thread, is inside. A killed process holds nothing.

    `lock`: in the data folder, wherever each machine has that.
    """
    return _over_machines(lock) if connections["default"].vendor == "postgresql" else alone_here(lock)


@contextmanager
def alone_here(lock: Path) -> Iterator[bool]:
    """The same for what this machine has of its own."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(handle)


@contextmanager
def _over_machines(lock: Path) -> Iterator[bool]:
    connection = _connection()
    try:
        mine = _ask(connection, "SELECT pg_try_advisory_lock(%s)", lock)
        yield mine
        if mine:
            _release(connection, lock)
    finally:
        connection.close()  # which releases it, too, but only once the server has seen that


def _connection() -> Any:
    import psycopg

    wrapper = connections["default"]
    with wrapper.wrap_database_errors:
        return psycopg.connect(autocommit=True, **wrapper.get_connection_params())


def _ask(connection: Any, statement: str, lock: Path) -> bool:
    with connections["default"].wrap_database_errors:
        return bool(connection.execute(statement, [_number(lock)]).fetchone()[0])


def _release(connection: Any, lock: Path) -> None:
    try:
        if _ask(connection, "SELECT pg_advisory_unlock(%s)", lock):
            return
    except Error:  # cut off; what was done is done
        pass
    log.warning("The lock of %s was lost while it was held: another machine may have done the same.", lock.name)


def _number(lock: Path) -> int:
    """The same on all machines."""
    name = lock.relative_to(settings.DATA_DIR).as_posix()
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
