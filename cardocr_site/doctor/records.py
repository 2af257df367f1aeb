"""The database, the queue, and whether somebody works it off."""

from collections.abc import Iterator

from django.db import DatabaseError, connection
from django.utils.translation import gettext as _
from huey.contrib.djhuey import HUEY

from batches import clock
from batches.models import Worker
from batches.queries import consumers, versions
from cardocr_site import databases
from cardocr_site.doctor.told import Told, failed, fine, some, warning

MANY_DOORBELLS = 1000
CLOCK = 5.0  # seconds that this machine and the database may differ


def database() -> Iterator[Told]:
    about = _("database")
    if databases.has_no_file(connection):
        yield failed(about, _("There is none yet."), _("“manage.py serve” makes it when it starts."))
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        advice = _("May this account read and write the data folder? Is the disk full?")
        if connection.vendor == "postgresql":
            advice = _("Does PostgreSQL run, and are address, name and password of DATABASE_URL right?")
        yield failed(about, _("It cannot be reached: %(error)s") % {"error": databases.why(connection, error)}, advice)
        return
    yield from _migrations(about)
    if connection.vendor == "sqlite":
        yield from _sqlite(about)


def _migrations(about: str) -> Iterator[Told]:
    found = versions.standing(connection)
    if found.unknown:
        newer = some([".".join(one) for one in found.unknown])
        told = _("It is of a newer version: %(migrations)s.") % {"migrations": newer}
        yield failed(about, told, _("Install that one, or go back to a copy from before (docs/operating.md)."))
    elif found.missing:
        missing = some([".".join(one) for one in found.missing])
        told = _("It is of an older version: %(migrations)s not applied.") % {"migrations": missing}
        advice = _("Start “manage.py serve” once: it keeps a copy and changes it.")
        if connection.vendor == "postgresql":
            advice = _("Stop cardocr, make a backup, and call “manage.py prepare_database”.")
        yield failed(about, told, advice)
    else:
        yield fine(about, _("Reached, and of this version."))


def _sqlite(about: str) -> Iterator[Told]:
    with connection.cursor() as cursor:
        mode = str(cursor.execute("PRAGMA journal_mode").fetchone()[0])
        damage = [str(row[0]) for row in cursor.execute("PRAGMA quick_check(5)").fetchall()]
    if mode not in ("wal", "memory"):
        yield warning(
            about,
            _("Its journal is “%(mode)s” instead of WAL: pages wait while cards are written.") % {"mode": mode},
            _("Is the data folder on a network drive? Put it on a disk of this machine."),
        )
    if damage != ["ok"]:
        yield failed(
            about,
            _("It is damaged: %(damage)s") % {"damage": some(damage, 3)},
            _("Stop cardocr, keep a copy, and bring back the last backup (docs/operating.md)."),
        )
    elif mode in ("wal", "memory"):
        yield fine(about, _("Whole, and written with WAL."))


def time_of_day() -> Iterator[Told]:
    """Of a database on another machine. Leases go by its clock; what people see, and is signed, by ours."""
    if connection.vendor != "postgresql":
        return
    clock.learn()
    ahead = clock.skew().total_seconds()
    if abs(ahead) > CLOCK:
        fast = _("The clock of this machine is %(n).0f s ahead of the database's.")
        slow = _("The clock of this machine is %(n).0f s behind the database's.")
        told = (fast if ahead > 0 else slow) % {"n": abs(ahead)}
        yield warning(_("clock"), told, _("Let the clocks of all machines be set by NTP."))
    else:
        yield fine(_("clock"), _("This machine and the database agree."))


def queue() -> Iterator[Told]:
    try:
        waiting = HUEY.pending_count()
    except Exception as error:  # of the Redis client's own kind, which need not be installed
        told = _("It cannot be reached: %(error)s") % {"error": str(error)[:200]}
        yield failed(_("queue"), told, _("Is the server of REDIS_URL running?"))
        return
    if waiting > MANY_DOORBELLS:
        yield warning(
            _("queue"),
            _("%(n)s doorbells wait: nobody takes them.") % {"n": waiting},
            _("Is the consumer running? It is started by “manage.py serve”."),
        )
    else:
        yield fine(_("queue"), _("Reached; %(n)s doorbells wait.") % {"n": waiting})


def consumer() -> Iterator[Told]:
    about = _("consumer")
    if consumers.lives():
        yield fine(about, _("It runs (%(worker)s).") % {"worker": Worker.objects.order_by("-seen_at").first()})
        return
    waiting = consumers.waiting()
    advice = _("Start “manage.py serve” (or “manage.py serve --only worker”).")
    if waiting:
        told = _("It does not run, and %(n)s batches wait for it.") % {"n": waiting}
        yield failed(about, told, advice)
    else:
        yield warning(about, _("It does not run: no cards are read."), advice)
