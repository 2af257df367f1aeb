"""What the previous release has left, in mid-batch, becomes what this one has; or it stays what it was."""

import fcntl
import json
import lzma
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cardocr_site import __version__, upgrades
from tests import vlm_server
from tests.processes.test_kills import batch_of, consumer, each_card_has_its_own_answer_once, rows
from tests.site.processes import DATABASE, POSTGRES, ROOT, environment, manage
from tests.upgrades.build import FIXTURE
from tests.waiting import until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(bool(POSTGRES), reason="the embedded database; PostgreSQL has tests of its own"),
]
CHECKED, RUNNING, DRAFT = 1, 2, 3  # the batches


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of the previous release, as it was brought back."""
    folder = tmp_path_factory.mktemp("previous")
    (folder / "site.tar").write_bytes(lzma.decompress(FIXTURE.read_bytes()))
    made = manage(folder / "data", "restore", str(folder / "site.tar"))
    assert made.returncode == 0, made.stderr
    return folder / "data"


@pytest.fixture
def data(left: Path, tmp_path: Path) -> Path:
    shutil.copytree(left, tmp_path / "data")
    return tmp_path / "data"


def change(data: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(data / DATABASE)) as database:
        database.execute(statement, values)
        database.commit()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


def kept(data: Path) -> list[Path]:
    return sorted((data / "backups").glob("*"))


def prepare(data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return manage(data, "prepare_database", *arguments, **more)


def test_a_batch_in_its_middle_goes_on_and_everything_opens(data: Path):
    assert {batch_of(data, pk)["status"] for pk in (CHECKED, RUNNING, DRAFT)} == {"completed", "running", "draft"}
    before = batch_of(data, RUNNING)
    assert before["processing"] == 2
    with vlm_server.running() as server:
        change(data, "UPDATE ocr_engine SET address = ? WHERE is_default", server.url)
        was = dump(data / DATABASE)
        upgraded = prepare(data, "--at-start")
        assert upgraded.returncode == 0, upgraded.stderr
        (copy,) = kept(data)
        assert str(copy) in upgraded.stdout
        assert dump(copy) == was
        with consumer(data, server):
            until(lambda: batch_of(data, RUNNING)["status"] == "completed", 60)
        assert len(server.calls) == before["pending"] + before["processing"]
    each_card_has_its_own_answer_once(data, RUNNING, 10, 100)
    assert rows(data, "SELECT new FROM batches_fieldrevision") == [("Mozart, by hand: Köchel",)]
    every_page_opens(data)
    doctor = manage(data, "doctor", "--no-calls", "--engine", "local")
    assert "FAILED" not in doctor.stdout, doctor.stdout


def every_page_opens(data: Path) -> None:
    looked = subprocess.run(
        [sys.executable, "-m", "tests.upgrades.looking"],
        cwd=ROOT,
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert looked.returncode == 0, looked.stderr
    found = json.loads(looked.stdout)
    assert [path for path, status in found.items() if status >= 500] == []
    for page in ("", "cards/", "activity/", "problems/", "export/", "statistics/"):
        assert found[f"/batches/{RUNNING}/{page}"] == 200, page
    for pk in (CHECKED, RUNNING):
        for form in ("csv", "json", "xlsx", "txt"):
            assert found[f"/batches/{pk}/export/download/?format={form}"] == 200, form


def test_one_that_fails_half_way_leaves_the_database_as_it_was(data: Path):
    # The first changes are made; then a table is there already.
    change(data, "CREATE TABLE batches_webhook (id integer)")
    was = dump(data / DATABASE)
    failed = prepare(data)
    assert failed.returncode == 1
    assert "could not be brought up to date, and is as it was" in failed.stderr
    assert "already exists" in failed.stderr
    assert dump(data / DATABASE) == was
    change(data, "DROP TABLE batches_webhook")
    again = prepare(data)
    assert again.returncode == 0, again.stderr
    assert len(kept(data)) == 2


def test_two_at_once_do_it_once_and_the_last_three_copies_are_kept(data: Path):
    (data / "backups").mkdir()
    for number in range(4):
        path = data / "backups" / f"before-0_{number}.sqlite3"
        path.touch()
        os.utime(path, (number, number))
    (data / "backups" / "mine.tar").touch()
    both = [
        subprocess.Popen([sys.executable, "manage.py", "prepare_database"], cwd=ROOT, env=environment(data))
        for _ in range(2)
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    assert [path.name for path in kept(data)][1:] == ["before-0_2.sqlite3", "before-0_3.sqlite3", "mine.tar"]


def test_the_copy_from_before_this_version_outlives_starts_that_fail_again_and_again(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    (tmp_path / "backups").mkdir()
    names = ["before-0.1_0", f"before-{__version__}_1", f"before-{__version__}_2", f"before-{__version__}_3"]
    for number, name in enumerate([*names, f"before-{__version__}_4"]):
        path = tmp_path / "backups" / f"{name}.sqlite3"
        path.touch()
        os.utime(path, (number, number))
    assert {path.stem for path in upgrades._superfluous()} == {names[0], names[2]}


def test_without_room_for_a_copy_nothing_is_changed(data: Path):
    was = dump(data / DATABASE)
    for name in ("before-0_1.sqlite3", "before-0_2.sqlite3"):
        (data / "backups").mkdir(exist_ok=True)
        (data / "backups" / name).touch()
    refused = prepare(data, CARDOCR_MIN_FREE_MB="999999999")
    assert refused.returncode == 1
    assert "Make room" in refused.stderr
    assert dump(data / DATABASE) == was
    assert len(kept(data)) == 2


@contextmanager
def somebody_reads(data: Path) -> Iterator[None]:
    """A worker of this machine that holds its lock."""
    (data / "run").mkdir(exist_ok=True)
    with (data / "run" / "abc.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        now = str(datetime.now(UTC).replace(tzinfo=None))
        change(
            data,
            "INSERT INTO batches_worker (uid, host, pid, started_at, seen_at) VALUES ('abc', ?, 4711, ?, ?)",
            socket.gethostname(),
            now,
            now,
        )
        yield


def test_while_somebody_reads_nothing_is_changed(data: Path):
    with somebody_reads(data):
        was = dump(data / DATABASE)
        refused = prepare(data)
        assert refused.returncode == 1
        assert f"are being read by {socket.gethostname()}:4711: stop cardocr there" in refused.stderr
        assert dump(data / DATABASE) == was
        assert kept(data) == []


def test_a_newer_database_is_refused_by_all_that_start(data: Path):
    change(data, "INSERT INTO django_migrations (app, name, applied) VALUES ('batches', '9999_later', '2030-01-01')")
    was = dump(data / DATABASE)
    for started in (
        manage(data, "serve", "--port", "1"),
        _module(data, "cardocr_site.consumer"),
    ):
        assert started.returncode == 1
        assert "is of a newer cardocr than this" in started.stderr
        assert "batches.9999_later" in started.stderr
    assert dump(data / DATABASE) == was


def test_a_process_of_its_own_refuses_an_older_one(data: Path):
    started = _module(data, "cardocr_site.web", "127.0.0.1", "0")
    assert started.returncode == 1
    assert "is of an earlier cardocr than this" in started.stderr
    assert "call: manage.py prepare_database" in started.stderr


def _module(data: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", name, *arguments],
        cwd=ROOT,
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
