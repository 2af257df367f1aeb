"""What monitors ask: without a sign-in, at the root and beside the calls, and without a word too many."""

import datetime

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from batches.models import Worker
from cardocr_site.api import health

pytestmark = pytest.mark.django_db
BOTH = pytest.mark.parametrize("root", ["", "/api/v1"])


@pytest.fixture
def worker() -> Worker:
    now = timezone.now()
    return Worker.objects.create(uid="w1", host="reader.internal", pid=17, started_at=now, seen_at=now)


def failing(client, root):
    response = client.get(f"{root}/health/ready")
    told = response.json()
    assert (response.status_code, told["success"], told["error"]["code"]) == (503, False, "NOT_READY")
    assert int(response.headers["Retry-After"]) > 0
    return [part for part, state in told["error"]["details"].items() if state != "ok"]


@BOTH
def test_the_process_lives_and_asks_nothing(client, root, django_assert_num_queries):
    with django_assert_num_queries(0):
        response = client.get(f"{root}/health")
    assert (response.status_code, response.json()) == (200, {"success": True, "data": {"status": "ok"}})
    assert client.post(f"{root}/health").status_code == 405


@BOTH
def test_ready_when_all_parts_are(client, worker, root):
    response = client.get(f"{root}/health/ready")
    assert response.status_code == 200
    assert response.json()["data"] == dict.fromkeys(("database", "queue", "consumer", "disk"), "ok")


@BOTH
def test_without_a_heartbeat_the_consumer_is_not_ready(client, worker, root):
    Worker.objects.update(seen_at=timezone.now() - datetime.timedelta(seconds=31))
    assert failing(client, root) == ["consumer"]


@BOTH
def test_on_a_full_disk_it_is_not_ready(client, worker, root, settings):
    settings.MIN_FREE_BYTES = 10**18
    assert failing(client, root) == ["disk"]


def test_without_its_data_folder_it_is_not_ready(client, worker, settings, tmp_path):
    settings.DATA_DIR = tmp_path / "gone"
    assert failing(client, "") == ["disk"]


@BOTH
def test_what_is_wrong_with_a_part_stands_in_the_log_alone(client, worker, root, monkeypatch, caplog):
    def broken():
        raise OSError("redis://:secret@queue.internal refused")

    monkeypatch.setattr(health.HUEY, "pending_count", broken)
    assert failing(client, root) == ["queue"]
    assert "internal" not in client.get(f"{root}/health/ready").content.decode()
    assert "queue" in caplog.text


@BOTH
def test_without_a_database_it_is_told_and_nothing_breaks(client, worker, root):
    def refused(*_arguments):
        raise DatabaseError("no such host: db.internal")

    with connection.execute_wrapper(refused):
        assert failing(client, root) == ["database", "consumer"]
