"""A database of an earlier cardocr becomes one of this; or it stays what it was, and whoever runs cardocr is told.

The embedded one is copied first, and the copy put back where anything fails. On PostgreSQL all changes are one
transaction; a copy is for whoever runs it to make, so it is changed by `manage.py prepare_database` alone.
"""

import logging
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from batches.drain import presence
from batches.intake import store
from batches.models import Worker
from batches.queries import versions
from batches.queries.versions import Standing
from cardocr_site import __version__, databases
from cardocr_site.backups import Failed
from cardocr_site.backups.making import snapshot

log = logging.getLogger(__name__)

KEPT = 3  # copies
COMMAND = "manage.py prepare_database"


class Refused(Exception):
    """Said in a sentence for whoever starts cardocr; the database is as it was."""


def bring_up_to_date(tell: Callable[[str], None], *, at_start: bool) -> None:
    """Raises Refused. Called by one process at a time."""
    found = versions.standing(connection)
    refuse_newer(found)
    if found.is_empty or not found.missing:
        _migrate()
        return
    if at_start and connection.vendor != "sqlite":
        raise Refused(_earlier(found))
    _refuse_readers()
    if connection.vendor == "sqlite":
        copy = keep_copy()
        tell(f"The database becomes one of cardocr {__version__}; as it was, it is kept as {copy}.")
        try:
            _migrate()
        except Exception as error:
            put_back(copy)
            raise Refused(_failed(error)) from error
    else:
        try:
            with databases.changed(connection):
                _migrate()
        except Exception as error:
            raise Refused(_failed(error)) from error


def exit_from_other() -> None:
    """For processes that find a database prepared. One that does not answer yet is waited for by what asks it."""
    try:
        found = versions.standing(connection)
    except Exception:
        log.warning("Of which version the database is cannot be told yet.", exc_info=True)
        return
    try:
        refuse_newer(found)
    except Refused as refused:
        sys.exit(str(refused))
    if found.missing:
        sys.exit(_earlier(found))


def refuse_newer(found: Standing) -> None:
    if found.unknown:
        raise Refused(
            f"The database is of a newer cardocr than this ({__version__}): it has had “{_named(found.unknown[0])}”. "
            "Install that one; or go back to a copy of the database from before (docs/operating.md, “Going back”)."
        )


def _earlier(found: Standing) -> str:
    return (
        f"The database is of an earlier cardocr than this ({__version__}): “{_named(found.missing[0])}” and "
        f"{len(found.missing) - 1} more are missing. Stop cardocr on all machines, make a backup (manage.py backup "
        f"FILE), and call: {COMMAND}"
    )


def _failed(error: Exception) -> str:
    why = " ".join(str(error).split())[:300]
    return (
        f"The database could not be brought up to date, and is as it was: {type(error).__name__}: {why}. Start the "
        "version from before until this is mended; the log has the details."
    )


def _named(change: versions.Change) -> str:
    return ".".join(change)


def _migrate() -> None:
    if connection.vendor == "sqlite":  # each change is a transaction there; one for all is not to be had
        call_command("migrate", interactive=False, verbosity=0)
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # rows that wait to be checked stand in a change's way
        call_command("migrate", interactive=False, verbosity=0)


def _refuse_readers() -> None:
    """Whoever reads cards would go on writing as it knows the tables."""
    try:
        with transaction.atomic():
            workers = list(Worker.objects.only("uid", "host", "pid", "seen_at"))
    except DatabaseError:
        return  # there is no such table yet, so nobody reads
    living = [str(worker) for worker in workers if not presence.is_dead(worker)]
    if living:
        raise Refused(
            f"Cards are being read by {', '.join(living)}: stop cardocr there first. Where it was killed on another "
            "machine, wait half a minute."
        )


def copies() -> list[Path]:
    """Newest first."""
    return sorted(store.copies_of_database(), key=_age, reverse=True)


def _age(path: Path) -> tuple[float, str]:
    return path.stat().st_mtime, path.name


def keep_copy() -> Path:
    """Raises Refused."""
    folder, database = Path(settings.DATA_DIR) / "backups", Path(str(connection.settings_dict["NAME"]))
    folder.mkdir(mode=0o700, exist_ok=True)
    # What stands in the log beside it is in the copy, too.
    needed = sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*") if path.is_file())
    free = shutil.disk_usage(folder).free
    if free - needed < settings.MIN_FREE_BYTES:
        raise Refused(
            f"Before it is changed, the database is copied into {folder}: {needed // 1_000_000 + 1} MB, and "
            f"{settings.MIN_FREE_BYTES // 1_000_000} MB are to stay free; {free // 1_000_000} MB are. Make room."
        )
    target = folder / f"before-{__version__}_{timezone.now():%Y-%m-%d_%H-%M-%S}.sqlite3"
    part = target.with_suffix(".part")
    try:
        snapshot(part)
        part.replace(target)
    except (OSError, Failed) as error:
        raise Refused(
            f"Before it is changed, the database is copied into {folder}. Nothing was changed: {error}"
        ) from error
    finally:
        part.unlink(missing_ok=True)
    for old in _superfluous():
        old.unlink(missing_ok=True)
    return target


def _superfluous() -> list[Path]:
    """All but the last ones, and the first of before this version: starts that fail again and again, or are cut off
    half way, leave copies that nobody would go back to.
    """
    there = copies()
    first = [path for path in there if path.name.startswith(f"before-{__version__}_")][-1:]
    return [path for path in there if path not in first][KEPT - len(first) :]


def put_back(copy: Path) -> None:
    """In one transaction of the database's own; whoever has it open sees what it was."""
    connection.close()
    with (
        closing(sqlite3.connect(copy)) as kept,
        closing(sqlite3.connect(str(connection.settings_dict["NAME"]), timeout=20)) as database,
    ):
        kept.backup(database)
        database.execute("PRAGMA journal_mode=WAL")
