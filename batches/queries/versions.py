"""Which changes of the tables a database has had, and which of them this program knows."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

Change = tuple[str, str]  # app and name, as of a migration


@dataclass(frozen=True)
class Standing:
    missing: tuple[Change, ...]  # known here, not made there
    unknown: tuple[Change, ...]  # made there by a newer program
    is_empty: bool  # nothing was ever made there


def standing(of: BaseDatabaseWrapper) -> Standing:
    applied = frozenset(MigrationRecorder(of).applied_migrations())
    loader = MigrationLoader(None, ignore_no_migrations=True)
    missing = tuple(
        key
        for key, migration in sorted(loader.disk_migrations.items())
        if key not in applied and not (migration.replaces and applied.issuperset(migration.replaces))
    )
    return Standing(missing, unknown(applied), not applied)


def unknown(applied: Iterable[Change]) -> tuple[Change, ...]:
    """Of the parts that this program has: others may share the database."""
    known = _known()
    ours = {app for app, _name in known}
    return tuple(sorted(change for change in applied if change not in known and change[0] in ours))


def is_newer() -> bool:
    """Whether another program has changed the tables since this one started."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        return bool(unknown(cursor.fetchall()))


@cache
def _known() -> frozenset[Change]:
    """Read once: the program on the disk may be another by and by, this process is not."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    known = set(loader.disk_migrations)
    for migration in loader.disk_migrations.values():
        known |= set(migration.replaces)
    return frozenset(known)
