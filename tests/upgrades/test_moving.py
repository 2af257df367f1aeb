"""From the embedded database to PostgreSQL and back: row for row, whatever version has made them."""

import io
import json
import lzma
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from cardocr_site import databases
from cardocr_site.backups import Failed, rows
from cardocr_site.databases import settings_of
from tests.site.processes import POSTGRES, _database, address
from tests.upgrades.build import FIXTURE

pytestmark = pytest.mark.skipif(not POSTGRES, reason="on PostgreSQL: make test-postgres")
ODD = "Nu\x00l, half \ud83d a character, 𝄞 and 😀"
FITTED = "Nu\ufffdl, half \ufffd a character, 𝄞 and 😀"


@pytest.fixture(autouse=True)
def _databases_of_its_own(django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    """The previous release's database."""
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(FIXTURE.read_bytes()))) as tar:
        file = tar.extractfile("database.sqlite3")
        assert file is not None
        (tmp_path / "site.sqlite3").write_bytes(file.read())
    return tmp_path / "site.sqlite3"


@contextmanager
def another(folder: Path) -> Iterator[str]:
    """An empty PostgreSQL, by its alias."""
    _database(address(folder))
    connections.settings["another"] = connections.settings["default"] | settings_of(address(folder), folder, 1)
    try:
        yield "another"
    finally:
        connections["another"].close()
        connections["another"].close_pool()
        del connections["another"]
        del connections.settings["another"]


def moved(source: str, target: str) -> int:
    with transaction.atomic(source), transaction.atomic(target):
        return rows.copy(source, target, lambda table: None)


def moved_from(embedded: Path, target: str) -> int:
    with rows.opened(embedded) as beside, transaction.atomic(target):
        return rows.copy(beside, target, lambda table: None)


def moved_to(source: str, embedded: Path) -> int:
    with rows.opened(embedded) as beside, transaction.atomic(source):
        return rows.copy(source, beside, lambda table: None)


def tables(path: Path) -> dict[str, list[Any]]:
    """What stands in each, by the names of its columns; JSON and numbers as what they mean."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        names = [
            name
            for (name,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'"
            )
        ]
        return {
            name: [
                {column: meant(row[column]) for column in row.keys()}  # noqa: SIM118  (a Row gives its values)
                for row in database.execute(f'SELECT * FROM "{name}" ORDER BY 1')
            ]
            for name in names
            if not name.startswith(("sqlite_", "batches_resultwords", "batches_cardnames", "batches_notewords"))
            and not name.startswith(("batches_resultparts", "batches_cardnameparts"))
            and name not in rows.DERIVED
        }


def meant(value: Any) -> Any:
    with suppress(ValueError):
        return json.loads(value) if isinstance(value, str) and value[:1] in {"{", "["} else value
    return value  # the reply of a model that broke off, say


def change(path: Path, *statements: tuple[str, list[Any]]) -> None:
    with closing(sqlite3.connect(path)) as database:
        for statement, values in statements:
            database.execute(statement, values)
        database.commit()


def test_every_row_is_there_and_comes_back(embedded: Path, tmp_path: Path):
    with another(tmp_path) as there:
        assert moved_from(embedded, there) == 0
        assert moved_to(there, tmp_path / "back.sqlite3") == 0
    before, after = tables(embedded), tables(tmp_path / "back.sqlite3")
    assert {name for name, found in before.items() if found} >= {"batches_card", "batches_attempt", "accounts_user"}
    assert after.keys() == before.keys()
    for name, found in before.items():
        assert after[name] == found, name


def test_a_number_that_was_given_once_is_never_given_again(embedded: Path, tmp_path: Path):
    change(embedded, ("UPDATE sqlite_sequence SET seq = 4711 WHERE name = 'batches_card'", []))
    with another(tmp_path) as there:
        moved_from(embedded, there)
        with connections[there].cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence('batches_card', 'id'))")
            assert cursor.fetchone() == (4712,)
            cursor.execute("SELECT nextval(pg_get_serial_sequence('batches_batch', 'id'))")
            assert cursor.fetchone() == (4,)
        moved_to(there, tmp_path / "back.sqlite3")
    with closing(sqlite3.connect(tmp_path / "back.sqlite3")) as database:
        found = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'batches_card'").fetchone()
    assert found == (4712,)


def test_what_postgresql_keeps_in_no_text_is_replaced_and_counted(embedded: Path, tmp_path: Path):
    change(
        embedded,
        ("UPDATE batches_card SET error_message = ? WHERE id = 1", [ODD.replace("\ud83d", "")]),
        ('UPDATE batches_cardresult SET "values" = ? WHERE id = 1', [json.dumps({"a": [ODD, "\\u0000"]})]),
    )
    with another(tmp_path) as there:
        assert moved_from(embedded, there) == 2
        with connections[there].cursor() as cursor:
            cursor.execute("SELECT error_message FROM batches_card WHERE id = 1")
            assert cursor.fetchone()[0] == FITTED.replace("\ufffd a", " a")
            cursor.execute("SELECT \"values\"->'a'->>0, \"values\"->'a'->>1 FROM batches_cardresult WHERE id = 1")
            assert cursor.fetchone() == (FITTED, "\\u0000")


def test_what_cannot_be_taken_over_is_named_and_leaves_nothing(embedded: Path, tmp_path: Path):
    change(embedded, ("UPDATE batches_batch SET name = ? WHERE id = 2", ["x" * 3000]))
    with another(tmp_path) as there:
        with pytest.raises(Failed, match="batches_batch cannot be taken over: value too long"):
            moved_from(embedded, there)
        assert connections[there].introspection.table_names() == []


def test_a_reference_to_nothing_is_refused(embedded: Path, tmp_path: Path):
    change(embedded, ("UPDATE batches_card SET batch_id = 99 WHERE id = 1", []))
    with another(tmp_path) as there, pytest.raises(Exception, match="violates foreign key"):
        moved_from(embedded, there)


def test_the_backup_sees_one_moment(embedded: Path, tmp_path: Path):
    """Cards that are written while rows are copied are in none of its tables."""
    with another(tmp_path) as there:
        moved_from(embedded, there)
        told: list[str] = []

        def write_beside(table: str) -> None:
            if not told:
                with closing(connections[there].copy()) as other, other.cursor() as cursor:
                    cursor.execute("UPDATE batches_card SET error_message = 'later'")
            told.append(table)

        rows.copied_out(there, tmp_path / "back.sqlite3", write_beside)
    assert told
    assert tables(tmp_path / "back.sqlite3")["batches_card"] == tables(embedded)["batches_card"]


def test_a_start_waits_for_no_backup_but_an_upgrade_does(tmp_path: Path):
    def locked(number: int) -> bool:
        with closing(connections[there].copy()) as other, other.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
            return not cursor.fetchone()[0]

    with another(tmp_path) as there:
        with databases.left_as_it_is(connections[there]):
            assert not locked(databases.PREPARING)
            assert locked(databases.CHANGING)
        assert not locked(databases.CHANGING)
        with databases.changed(connections[there]):
            assert locked(databases.CHANGING)
