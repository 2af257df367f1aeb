"""What follows from DATABASE_URL, and whether the PostgreSQL behind it is one that cards can be kept in."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, NotSupportedError
from django.db.backends.base.base import BaseDatabaseWrapper

from cardocr_site import locks, mounts
from cardocr_site.server_urls import taken_apart

EMBEDDED = ("", "sqlite")
SCHEMES = ("postgres", "postgresql")
# Of the query string: what libpq is told about the way to the server, and nothing that changes what cardocr does there.
OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "target_session_attrs", "channel_binding")
OLDEST = 14  # Django's floor
# Connections of a process beside those of its reading threads: pages, the collector, the sweeper, what prepares scans.
BESIDE = 32
PATIENCE = 8  # seconds for a connection: whoever waits for a page is told then
# A machine that is cut off is noticed by both ends within half a minute. Otherwise the server would keep its locks for
# two hours, and its own threads would wait as long. A process that is frozen while it holds a lock loses it as well.
KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
SESSION = {f"tcp_{name.removeprefix('tcp_')}": value for name, value in KEEPALIVE.items()} | {
    "idle_in_transaction_session_timeout": 60_000
}
PREPARING = 20_261_128  # the number of the lock under which tables are made
CHANGING = 20_261_131  # and of the one under which those of an earlier version are changed
BYTEWISE = ("C", "POSIX", "C.UTF-8", "C.utf8", "C.UTF8")
UNICODE = "und-x-icu"  # the collation by whose rules text is folded


def settings_of(url: str, data: Path, threads: int) -> dict[str, Any]:
    """The entry of DATABASES. What is wrong is said without the address, which may hold a password."""
    return _embedded(data) if url in EMBEDDED else _postgres(url, threads)


def _embedded(data: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": data / "cardocr.sqlite3",
        "CONN_MAX_AGE": None,  # making one costs as much as ten queries
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            # secure_delete: what is deleted is overwritten, so that an erased card is gone.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;",
        },
        "TEST": {"NAME": data / "test.sqlite3"},
    }


def _postgres(url: str, threads: int) -> dict[str, Any]:
    parts, port, told = taken_apart("DATABASE_URL", url)
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in SCHEMES or not name or "/" in name:
        raise ImproperlyConfigured(
            "DATABASE_URL must be like postgres://user:password@db.example.org:5432/cardocr, "
            "or sqlite for the embedded database."
        )
    unknown = sorted({key for key, _value in told} - {*OPTIONS, "host"})
    if unknown:
        raise ImproperlyConfigured(f"DATABASE_URL has options that are not known: {', '.join(unknown)}.")
    _need_driver()
    options = dict(told)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or unquote(parts.hostname or ""),  # ?host=/run/postgresql: a socket
        "PORT": port or "",
        "CONN_MAX_AGE": 0,  # the pool keeps them
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 10,
            **KEEPALIVE,
            "options": " ".join(f"-c {name}={value}" for name, value in SESSION.items()),
            "application_name": "cardocr",
            **options,
            # Without the last, the pauses between its tries grow to minutes while the server is away.
            "pool": {
                "min_size": 1,
                "max_size": threads + BESIDE,
                "timeout": PATIENCE,
                "reconnect_timeout": PATIENCE,
            },
        },
    }


def _need_driver() -> None:
    if not (importlib.util.find_spec("psycopg") and importlib.util.find_spec("psycopg_pool")):
        raise ImproperlyConfigured(
            "DATABASE_URL names a PostgreSQL database, but its driver is not installed: "
            "pip install --require-hashes -r requirements-postgres.lock"
        )


NO_FILE = (
    "There is no database of cardocr in {} yet. Is that the right folder (CARDOCR_DATA_DIR)? A new one is made by "
    "“manage.py serve”."
)
NO_TABLES = "The database of DATABASE_URL is empty. Is it the right one? “manage.py prepare_database” makes the tables."


class Unfit(Exception):
    """The database cannot be used as it is; said in a sentence for whoever set it up."""


def refuse_unfit(connection: BaseDatabaseWrapper) -> None:
    """Raises Unfit. Of the embedded database: where it lies."""
    if connection.vendor != "postgresql":
        _refuse_network()
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_encoding_to_char(encoding), datcollate,"
                " EXISTS (SELECT 1 FROM pg_collation WHERE collname = %s),"
                " EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm')"
                " FROM pg_database WHERE datname = current_database()",
                [UNICODE],
            )
            found: Any = cursor.fetchone()
    except NotSupportedError as error:
        raise Unfit(f"The PostgreSQL of DATABASE_URL is too old, {OLDEST} or later is needed: {error}") from None
    except (DatabaseError, _pool_timeout()) as error:
        raise Unfit(f"The PostgreSQL of DATABASE_URL cannot be used: {why(connection, error)}") from None
    refuse(*found)


def has_no_file(connection: BaseDatabaseWrapper) -> bool:
    """Of the embedded database: to look into it would make one."""
    if connection.vendor != "sqlite" or connection.connection is not None:
        return False
    return not Path(str(connection.settings_dict["NAME"])).exists()


def refuse_absent(connection: BaseDatabaseWrapper) -> None:
    """Raises Unfit where there are no tables. What lies at an unfit place may still be copied from there."""
    missing = NO_TABLES
    if connection.vendor == "postgresql":
        refuse_unfit(connection)
    else:
        missing = NO_FILE.format(settings.DATA_DIR)
        if has_no_file(connection):
            raise Unfit(missing)
    if "django_migrations" not in connection.introspection.table_names():
        raise Unfit(missing)


def why(connection: Any, error: Exception) -> str:
    """In one line. A pool tells no more than that no connection came; the server, asked once past it, says why."""
    told = str(error)
    if connection.vendor == "postgresql" and isinstance(error.__cause__ or error, _pool_timeout()):
        params = connection.get_connection_params()
        params.pop("pool", None)
        try:
            connection.Database.connect(**params).close()
        except connection.Database.Error as answer:
            told = str(answer)
    return " ".join(told.split())[:300]


def _refuse_network() -> None:
    if kind := mounts.network_type(Path(settings.DATA_DIR)):
        raise Unfit(
            f"The data folder {settings.DATA_DIR} lies on a file system over a network ({kind}), where the embedded "
            "database would be damaged. Put it on a disk of this machine (CARDOCR_DATA_DIR), or keep the rows in a "
            "PostgreSQL (DATABASE_URL; docs/operating.md, “PostgreSQL”): scans may lie there then."
        )


def _pool_timeout() -> type[Exception]:
    from psycopg_pool import PoolTimeout

    return PoolTimeout


def refuse(encoding: str, collation: str, has_icu: bool, has_trigrams: bool) -> None:
    if encoding != "UTF8" or collation not in BYTEWISE:
        raise Unfit(
            f"The database of DATABASE_URL has the encoding {encoding} and sorts by {collation}. cardocr needs one "
            "that sorts as it does itself: CREATE DATABASE cardocr TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'"
        )
    if not has_icu:
        raise Unfit("This PostgreSQL was built without ICU, by which text is searched without accents and case.")
    if not has_trigrams:
        raise Unfit("This PostgreSQL has no pg_trgm, by which text is searched: install its contrib modules.")


def size(connection: BaseDatabaseWrapper) -> int | None:
    """In bytes; None where it is no file."""
    if connection.vendor == "sqlite":
        file = Path(str(connection.settings_dict["NAME"]))
        return file.stat().st_size if file.is_file() else None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        found: tuple[int] = cursor.fetchone()
    return found[0]


@contextmanager
def prepared_by_one(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Two that start at once make the tables one after the other."""
    if connection.vendor == "sqlite":
        with locks.waited_for(Path(settings.DATA_DIR) / "run" / "prepare.lock"):
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA journal_mode=WAL")
            yield
        return
    with _locked(connection, PREPARING):
        yield


@contextmanager
def left_as_it_is(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Nobody changes the tables of a PostgreSQL meanwhile; several may ask for that at once. A start waits for none."""
    with _locked(connection, CHANGING, "_shared"):
        yield


@contextmanager
def changed(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Nobody copies a PostgreSQL meanwhile."""
    with _locked(connection, CHANGING):
        yield


@contextmanager
def _locked(connection: BaseDatabaseWrapper, number: int, how: str = "") -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_lock{how}(%s)", [number])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_unlock{how}(%s)", [number])
