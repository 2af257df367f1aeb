"""Sees what any process has committed, and wakes those who watch in this one.

With Redis whoever commits says so, and this looks now and then for what was lost on the way; often while that is gone.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from django.db import connections

from batches.live import audience, events
from batches.models import Batch
from batches.models.indexing_postgres import CHANNEL
from cardocr_site import log_context
from cardocr_site.shared.outage import outage

EVERY = 0.1  # seconds
ANYWAY = 2.0  # seconds after which it looks though nobody told anything: proxies may keep that to themselves
AFTER_AN_ERROR = 1.0

logger = logging.getLogger(__name__)


class Eye(Protocol):
    """A connection of its own, looked through from one thread alone: two on one connection crash the process."""

    def look(self, batch_ids: Collection[int], *, anyway: bool) -> dict[int, int] | None:
        """The versions of these batches, -1 for one that is gone; None where nothing was committed since."""
        ...

    def close(self) -> None: ...


def _eye() -> Eye:
    return PostgresEye() if connections["default"].vendor == "postgresql" else SqliteEye()


class SqliteEye:
    """SQLite counts commits of other connections in `data_version`; that costs microseconds to ask."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._data_version = -1

    def look(self, batch_ids: Collection[int], *, anyway: bool) -> dict[int, int] | None:
        if self._connection is None:
            name = str(connections["default"].settings_dict["NAME"])
            self._connection = sqlite3.connect(name, timeout=5, isolation_level=None, check_same_thread=False)
        (data_version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if data_version == self._data_version and not anyway:
            return None
        marks = ",".join("?" * len(batch_ids))
        rows = self._connection.execute(
            f"SELECT id, version FROM {Batch._meta.db_table} WHERE deleted_at IS NULL AND id IN ({marks})",  # noqa: S608
            list(batch_ids),
        ).fetchall()
        self._data_version = data_version
        return dict.fromkeys(batch_ids, -1) | dict(rows)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection, self._data_version = None, -1


class PostgresEye:
    """PostgreSQL tells each commit that changes a batch, by a trigger, to whoever listens."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._asked = 0.0

    def look(self, batch_ids: Collection[int], *, anyway: bool) -> dict[int, int] | None:
        if self._connection is None:
            self._connection, anyway = self._listening(), True
        told = list(self._connection.notifies(timeout=0))
        if not (told or anyway or time.monotonic() - self._asked > ANYWAY):
            return None
        rows = self._connection.execute(
            f"SELECT id, version FROM {Batch._meta.db_table} WHERE deleted_at IS NULL AND id = ANY(%s)",  # noqa: S608
            [list(batch_ids)],
        ).fetchall()
        self._asked = time.monotonic()
        return dict.fromkeys(batch_ids, -1) | dict(rows)

    @staticmethod
    def _listening() -> Any:
        import psycopg

        connection = psycopg.connect(autocommit=True, **connections["default"].get_connection_params())
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


class Watcher:
    """One task in the server's loop, alive while somebody watches.

    It looks by an eye in a thread of its own, and wakes from the loop: from another thread that is up to 250 ms late.
    """

    def __init__(self) -> None:
        self._versions: dict[int, int | None] = {}  # what those who watch were last woken for
        self._lists = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self._task is not None

    def watch(self, batch_id: int) -> None:
        self._versions[batch_id] = None  # it is looked at, whatever else happens
        self._start()

    def unwatch(self, batch_id: int) -> None:
        self._versions.pop(batch_id, None)
        self._stop_if_idle()

    def watch_list(self) -> None:
        self._lists += 1
        self._start()

    def unwatch_list(self) -> None:
        self._lists -= 1
        self._stop_if_idle()

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="watcher", context=log_context.apart())

    def _stop_if_idle(self) -> None:
        if self._task is not None and not self._versions and self._lists <= 0:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        executor = ThreadPoolExecutor(1, thread_name_prefix="watcher")
        eye = _eye()  # of this run: the one before may still be closing its own
        try:
            while True:
                pause = ANYWAY if events.across() and not outage.is_on else EVERY
                try:
                    look = partial(eye.look, list(self._versions), anyway=None in self._versions.values())
                    versions = await loop.run_in_executor(executor, look)
                    if versions is not None:
                        self._wake(versions)
                except Exception:  # whatever it is: without the watcher every page stands still
                    logger.exception("The watcher cannot look at the database; it tries again")
                    executor.submit(eye.close)
                    pause = AFTER_AN_ERROR
                await asyncio.sleep(pause)
        finally:
            executor.submit(eye.close)
            executor.shutdown(wait=False)

    def _wake(self, versions: dict[int, int]) -> None:
        for batch_id, version in versions.items():
            if batch_id in self._versions and self._versions[batch_id] != version:
                self._versions[batch_id] = version
                audience.wake(events.group(batch_id))
        if self._lists > 0:
            audience.wake(events.LIST_GROUP)
