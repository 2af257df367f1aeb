"""One at a time, over processes and, with PostgreSQL, over machines."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection

from batches.intake.alone import alone
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = """
import sys, django
django.setup()
from django.conf import settings
from batches.intake.alone import alone
for line in sys.stdin:
    with alone(settings.DATA_DIR / "run" / "duty.lock") as mine:
        print("mine" if mine else "theirs", flush=True)
"""


@pytest.fixture
def lock() -> Path:
    folder = Path(settings.DATA_DIR) / "run"
    folder.mkdir(exist_ok=True)
    return folder / "duty.lock"


@contextmanager
def another(data: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that asks for the same lock when it is told to, where the data folder lies there."""
    (data / "run").mkdir(parents=True, exist_ok=True)
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "cardocr_site.settings", "CARDOCR_DATA_DIR": str(data)}
    if url := os.environ.get("CARDOCR_TEST_DATABASE_URL"):
        env["DATABASE_URL"] = urlsplit(url)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def asked(process: "subprocess.Popen[str]") -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def is_free(lock: Path) -> bool:
    with alone(lock) as mine:
        return mine


def test_two_threads_of_a_process_are_not_inside_at_once(lock: Path):
    with alone(lock) as first, alone(lock) as second:
        assert (first, second) == (True, False)
        assert is_free(lock.with_name("another.lock"))
    assert is_free(lock)


def test_a_second_process_comes_in_once_the_first_is_out(lock: Path, tmp_path: Path):
    elsewhere = tmp_path / "data" if connection.vendor == "postgresql" else Path(settings.DATA_DIR)
    with another(elsewhere) as process:
        with alone(lock) as mine:
            assert mine
            assert asked(process) == "theirs"
        assert asked(process) == "mine"


def test_what_breaks_inside_leaves_it_free(lock: Path):
    with pytest.raises(ZeroDivisionError), alone(lock):
        raise ZeroDivisionError
    until(lambda: is_free(lock))  # PostgreSQL sees a moment later that a connection is closed


def test_who_is_cut_off_loses_it_and_says_so(lock: Path, caplog: pytest.LogCaptureFixture):
    if connection.vendor != "postgresql":
        pytest.skip("about connections of a PostgreSQL")
    with alone(lock):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        until(lambda: is_free(lock))
    assert "duty.lock was lost while it was held" in caplog.text
