"""Cards that were erased: their files, and what the database keeps of deleted rows without telling.

Rows go first, with a tombstone that names the files; the files at once after the commit, and once more when whoever
was writing them meanwhile is done. What SQLite has deleted stands on in three places: unused space of its pages, which
`secure_delete` overwrites; the full-text tables, which merely note that a word is gone until they are merged; and the
write-ahead log, until it is cut. PostgreSQL keeps deleted rows until it is told to clean up; its own log and the copies
made of it are in the hands of whoever runs the server.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import OperationalError, connection
from django.utils import timezone

from batches import changes
from batches.intake import store
from batches.models import Batch, CardScan, ErasedCard, indexing, indexing_postgres

log = logging.getLogger(__name__)

AGAIN = timedelta(seconds=30)  # by then a result file that was being written stands
STEP = 500  # pages of a full-text table that are merged in one transaction
WITHIN = 3.0  # seconds for merging, of one round: leases are renewed by the same thread
SMALL = 200_000_000  # bytes of a database that is written anew in a few seconds
WAIT = 500  # milliseconds for readers of the write-ahead log


def delete_files(erased: ErasedCard) -> None:
    """Those that no other card needs, nor one that came under the same name since. Again is harmless."""
    with changes.locked(erased.batch_id) as change:
        batch, files = change.batch, erased.files
        taken, sources = _used(batch)
        names = {*files.get("filenames", ())} - taken
        store.forget_card(batch, names, {*files.get("sources", ())} - sources)
        for key in files.get("held", ()):
            store.forget_held(batch, key)


def _used(batch: Batch) -> tuple[set[str], set[str]]:
    """Stored names, and source files, that cards and pages of sheets have."""
    filenames, sources = set[str](), set[str]()
    for rows in (batch.cards, CardScan.objects.filter(card__batch=batch), batch.sheets):
        for filename, source in rows.order_by().values_list("filename", "source"):
            filenames.add(filename)
            sources.add(source)
    return filenames, sources


def clean(now: Any = None) -> int:
    """Finish what was erased a moment ago; return how many cards are gone to the last byte. Called by the sweeper."""
    ripe = ErasedCard.objects.filter(cleaned_at=None, at__lt=(now or timezone.now()) - AGAIN)
    due = list(ripe.order_by("pk")[:100])
    for erased in due:
        if erased.files:
            try:
                delete_files(erased)
            except OSError as error:
                log.warning("Files of an erased card of batch %s could not be deleted: %s", erased.batch_id, error)
                return 0
            ErasedCard.objects.filter(pk=erased.pk).update(files={})
    if not due:
        return 0
    store.forget_copies()
    if not _forgotten():
        return 0
    return ErasedCard.objects.filter(pk__in=[one.pk for one in due]).update(cleaned_at=timezone.now())


def _forgotten() -> bool:
    """Whether the database holds nothing of it any more, wherever that is in its hands."""
    if connection.vendor == "sqlite":
        return _merged() and _rewritten()
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = 5000")
        try:
            for table in indexing_postgres.WITH_TEXT:
                cursor.execute(f"VACUUM {table}")
        except OperationalError:  # somebody else is cleaning it
            return False
        finally:
            cursor.execute("RESET lock_timeout")
    return True


def _merged() -> bool:
    """Whether the full-text tables have forgotten; as far as one round comes."""
    until = time.monotonic() + WITHIN
    for table in indexing.FULL_TEXT:
        pages = -STEP  # negative: all of it is merged, not only what has grown
        while True:
            with connection.cursor() as cursor:
                before = connection.connection.total_changes
                cursor.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('merge', %s)", [pages])  # noqa: S608
            if connection.connection.total_changes - before < 2:  # as FTS5 says that nothing is left to do
                break
            pages = STEP
            if time.monotonic() > until:
                return False
    return True


def _rewritten() -> bool:
    """Whether the log is cut, and a small database written anew; no reader is kept waiting for it."""
    name = str(connection.settings_dict["NAME"])
    try:
        with _impatient() as cursor:
            if Path(name).is_file() and Path(name).stat().st_size <= SMALL:
                cursor.execute("VACUUM")  # what moved within a page may have left a copy behind
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            row: Any = cursor.fetchone()
    except OperationalError:  # somebody writes all the time
        return False
    return row is not None and not row[0]  # its first number: whether a reader was in the way


@contextmanager
def _impatient() -> Iterator[Any]:
    options: Any = connection.settings_dict["OPTIONS"]
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout={WAIT}")
        try:
            yield cursor
        finally:
            cursor.execute(f"PRAGMA busy_timeout={int(options['timeout'] * 1000)}")
