"""The chief promises on a real PostgreSQL with a Redis; all tests run there with `make test-postgres`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres_server, redis_server
from tests.site.processes import ROOT, manage

pytestmark = pytest.mark.servers

CHIEF = [
    "tests/batches/test_changes.py",
    "tests/batches/test_rows.py",
    "tests/batches/queries/test_words.py",
    "tests/batches/queries/test_sorting.py",
    "tests/batches/queries/test_postgres.py",
    "tests/batches/test_clock.py",
    "tests/batches/drain/test_claims.py",
    "tests/batches/drain/test_gate.py",
    "tests/batches/intake/test_alone.py",
    "tests/batches/drain/test_duties.py",
    "tests/batches/drain/test_beginning.py",
    "tests/batches/drain/test_waiting_for_nobody.py",
    "tests/batches/actions/test_erasing.py::test_a_canary_is_found_nowhere",
    "tests/site/test_audit.py::test_the_database_changes_no_entry",
    "tests/upgrades/test_moving.py",
    "tests/upgrades/test_upgrades_postgres.py",
    "tests/processes/test_backups.py",
    "tests/processes/test_redis.py",
]


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    if postgres_server.programs() is None or redis_server.program() is None:
        if os.environ.get("CARDOCR_REQUIRE_SERVERS"):
            pytest.fail("PostgreSQL or Redis is not installed: make servers")
        pytest.skip("PostgreSQL or Redis is not installed: make servers")
    with postgres_server.running() as url, redis_server.running() as redis:
        yield {"CARDOCR_TEST_DATABASE_URL": url, "CARDOCR_TEST_REDIS_URL": redis.url}


def test_the_chief_promises_hold_there_too(addresses: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *CHIEF],
        cwd=ROOT,
        env=os.environ | addresses,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    assert " passed" in done.stdout


def test_a_command_on_an_empty_database_says_so(addresses: dict[str, str], tmp_path: Path) -> None:
    url, _slash, _name = addresses["CARDOCR_TEST_DATABASE_URL"].rpartition("/")
    answer = manage(
        tmp_path, "retention", DATABASE_URL=f"{url}/postgres", REDIS_URL=addresses["CARDOCR_TEST_REDIS_URL"]
    )
    assert answer.returncode != 0
    assert "The database of DATABASE_URL is empty. Is it the right one?" in answer.stderr
    assert "Traceback" not in answer.stderr
