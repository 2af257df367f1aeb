"""The previous release's site on a PostgreSQL: a start leaves it alone, the command changes all of it or nothing."""

import lzma
from pathlib import Path
from typing import Any

import pytest

from tests import vlm_server
from tests.processes.test_kills import batch_of, consumer, each_card_has_its_own_answer_once
from tests.site.processes import POSTGRES, address, connected, manage, with_tables
from tests.upgrades.build import FIXTURE
from tests.upgrades.test_upgrades import RUNNING, prepare
from tests.waiting import until

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not POSTGRES, reason="on PostgreSQL: make test-postgres"),
]
# Of a table, its columns; of the whole, indexes and constraints by name.
SHAPE = """
SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
  || ' ' || is_identity || ' ' || coalesce(character_maximum_length, 0)
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
  WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger WHERE NOT tgisinternal
"""


def shape_of(data: Path) -> list[Any]:
    """In an order of its own: a table that was altered and put back stands elsewhere in the catalogue."""
    return sorted(asked(data, SHAPE))


def asked(data: Path, query: str, *values: Any) -> list[Any]:
    with connected(address(data)) as connection:
        cursor = connection.execute(query, values)
        return cursor.fetchall() if cursor.description else []


def test_a_batch_in_its_middle_goes_on(tmp_path: Path):
    (tmp_path / "site.tar").write_bytes(lzma.decompress(FIXTURE.read_bytes()))
    data = tmp_path / "data"
    restored = manage(data, "restore", str(tmp_path / "site.tar"))
    assert restored.returncode == 0, restored.stderr
    before, shape = batch_of(data, RUNNING), shape_of(data)

    refused = manage(data, "serve", "--port", "1")
    assert refused.returncode == 1
    assert "is of an earlier cardocr than this" in refused.stderr
    assert "call: manage.py prepare_database" in refused.stderr

    asked(data, "CREATE TABLE batches_webhook ()")  # the first changes are made; then this is there already
    failed = prepare(data)
    assert failed.returncode == 1
    assert "could not be brought up to date, and is as it was" in failed.stderr
    asked(data, "DROP TABLE batches_webhook")
    assert shape_of(data) == shape

    with vlm_server.running() as server:
        asked(data, "UPDATE ocr_engine SET address = %s WHERE is_default", server.url)
        upgraded = prepare(data)
        assert upgraded.returncode == 0, upgraded.stderr
        # All tables are as a new site's, whose pages others look at.
        assert shape_of(data) == shape_of(with_tables(tmp_path / "new"))
        with consumer(data, server):
            until(lambda: batch_of(data, RUNNING)["status"] == "completed", 60)
        assert len(server.calls) == before["pending"] + before["processing"]
    each_card_has_its_own_answer_once(data, RUNNING, 10, 100)
