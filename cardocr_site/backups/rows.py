"""Rows of one database put into another, embedded or PostgreSQL: the tables as they were at the changes it had had.

Tables are made as the migrations describe them, not by the migrations: there is nothing that those would have to move.
Full-text tables, triggers and sort keys are not carried along: each database makes its own when it is prepared.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connections, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from batches.queries.versions import Change
from cardocr_site import databases
from cardocr_site.backups import Failed

Tell = Callable[[str], None]  # the table that comes, again and again while it does
AT_A_TIME = 2000
DERIVED = {"batches_cardvalue"}  # made anew from the others
OPTIONAL = {"account", "socialaccount"}  # parts that are there where a setting asks for them
LOST = "\ufffd"  # stands for what PostgreSQL takes in no text: NUL, and half a character
_HALF = re.compile("[\x00\ud800-\udfff]")
AsIs = (models.CharField, models.TextField, models.BooleanField, models.FloatField)


@contextmanager
def opened(path: Path) -> Iterator[str]:
    """An embedded database beside the site's own, by its alias."""
    alias = f"beside {path}"
    connections.settings[alias] = connections.settings["default"] | {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {"init_command": "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF;"},
        **dict.fromkeys(("USER", "PASSWORD", "HOST", "PORT"), ""),
    }
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


def copied_out(source: str, path: Path, tell: Tell) -> None:
    """All rows as one transaction of a PostgreSQL sees them. An upgrade waits for it, and is waited for.

    Raises Failed, DatabaseError.
    """
    with databases.left_as_it_is(connections[source]), opened(path) as beside, transaction.atomic(source):
        with connections[source].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        copy(source, beside, tell)


def copy(source: str, target: str, tell: Tell) -> int:
    """Into an empty database, within a transaction of both; how many texts had something that the target cannot keep.

    Raises Failed, DatabaseError.
    """
    applied = set(MigrationRecorder(connections[source]).applied_migrations())
    apps = _state(applied).apps
    wanted = [model for model in apps.get_models(include_auto_created=True) if _is_kept(model)]
    MigrationRecorder(connections[target]).ensure_schema()
    copying = _Copying(source, target, tell)
    # References are laid, and looked at, when all rows are there.
    with connections[target].schema_editor() as editor:
        for model in apps.get_models():
            if model._meta.managed and not model._meta.proxy:
                editor.create_model(model)
        for model in [*wanted, MigrationRecorder.Migration]:
            copying.table(model)
        if connections[target].vendor == "postgresql":
            with connections[target].cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return copying.lost


def _is_kept(model: type[models.Model]) -> bool:
    meta = model._meta
    return bool(meta.managed and not meta.proxy and meta.db_table not in DERIVED)


def _state(applied: set[Change]) -> Any:
    """Raises Failed where rows would be left behind."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    unknown = sorted({app for app, _name in applied} & OPTIONAL - loader.migrated_apps)
    if unknown:
        raise Failed(
            f"The database has accounts of a provider ({', '.join(unknown)}): set CARDOCR_OIDC_URL and what belongs to "
            "it as it is there, so that they come along."
        )
    instead = {old: key for key, one in loader.disk_migrations.items() for old in one.replaces}
    known = {instead.get(change, change) for change in applied}
    return loader.project_state([node for node in known if node in loader.graph.nodes], at_end=True)


class _Copying:
    def __init__(self, source: str, target: str, tell: Tell) -> None:
        self._source, self._target = connections[source], connections[target]
        self._tell = tell
        self.lost = 0

    def table(self, model: type[models.Model]) -> None:
        """Raises Failed, DatabaseError."""
        table = model._meta.db_table
        fields: list[Any] = [field for field in model._meta.local_concrete_fields if not field.generated]
        made = [self._preparing(field) for field in fields]
        rows: Any = model._base_manager.using(self._source.alias).order_by("pk")
        rows = rows.values_list(*(field.attname for field in fields))
        prepared = (
            tuple(value if make is None else make(value) for make, value in zip(made, row, strict=True))
            for row in rows.iterator(chunk_size=AT_A_TIME)
        )
        try:
            self._write(table, [field.column for field in fields], prepared)
        except DatabaseError as error:
            raise Failed(f"{table} cannot be taken over: {str(error).splitlines()[0]}.") from error
        self._number(model)

    def _write(self, table: str, columns: list[str], rows: Iterable[tuple[Any, ...]]) -> None:
        quoted = ", ".join(self._target.ops.quote_name(column) for column in columns)
        into = f"{self._target.ops.quote_name(table)} ({quoted})"
        with self._target.cursor() as cursor:
            if self._target.vendor == "postgresql":
                with self._target.wrap_database_errors, cursor.copy(f"COPY {into} FROM STDIN") as stream:
                    for some in batched_rows(rows):
                        self._tell(table)
                        for row in some:
                            stream.write_row(row)
                return
            places = ", ".join(["%s"] * len(columns))
            for some in batched_rows(rows):
                self._tell(table)
                cursor.executemany(f"INSERT INTO {into} VALUES ({places})", some)  # noqa: S608  (quoted names)

    def _preparing(self, field: Any) -> Callable[[Any], Any] | None:
        """How a value of the source is given to the target; None: as it is."""
        to_postgres = self._target.vendor == "postgresql"
        if isinstance(field, models.JSONField):
            return lambda value: self._json(field, value)
        if isinstance(field, AsIs):
            return self._text if to_postgres and isinstance(field, (models.CharField, models.TextField)) else None
        return lambda value: field.get_db_prep_save(value, self._target)

    def _text(self, value: str | None) -> str | None:
        if value is None or (value.isascii() and "\x00" not in value):
            return value
        whole = _HALF.sub(LOST, value)
        self.lost += whole != value
        return whole

    def _json(self, field: Any, value: Any) -> Any:
        if value is None and field.null:
            return None
        if self._target.vendor == "postgresql":
            text = json.dumps(value, cls=field.encoder)
            if "\\u0000" in text or "\\ud" in text:
                value = self._whole(value)
        return self._target.ops.adapt_json_value(value, field.encoder)

    def _whole(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._text(key): self._whole(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._whole(one) for one in value]
        return self._text(value) if isinstance(value, str) else value

    def _number(self, model: type[models.Model]) -> None:
        """The next row has a number that none had before, not even one that is gone."""
        if not isinstance(model._meta.pk, models.AutoField):
            return
        last = max(_last(self._source, model), _highest(self._target, model))
        if not last:
            return
        with self._target.cursor() as cursor:
            if self._target.vendor == "sqlite":
                cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [model._meta.db_table])
                cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [model._meta.db_table, last])
            else:
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [*_place(model), last])


def batched_rows(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    block: list[tuple[Any, ...]] = []
    for row in rows:
        block.append(row)
        if len(block) == AT_A_TIME:
            yield block
            block = []
    if block:
        yield block


def _place(model: type[models.Model]) -> tuple[str, str]:
    key: Any = model._meta.pk
    return f'"{model._meta.db_table}"', key.column


def _last(source: Any, model: type[models.Model]) -> int:
    with source.cursor() as cursor:
        if source.vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [model._meta.db_table])
        else:
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", _place(model))
            (sequence,) = cursor.fetchone()
            cursor.execute(f"SELECT last_value FROM {sequence} WHERE is_called")  # noqa: S608  (the server's own name)
        found = cursor.fetchone()
    return int(found[0]) if found else 0


def _highest(target: Any, model: type[models.Model]) -> int:
    return model._base_manager.using(target.alias).aggregate(last=models.Max("pk"))["last"] or 0
