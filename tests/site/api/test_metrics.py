"""What Prometheus is told, and who may ask."""

import datetime
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from batches.models import Attempt, Batch, Share, Spending, Worker
from cardocr_site import public
from cardocr_site.accounts import tokens
from cardocr_site.accounts.models import AccessToken
from cardocr_site.api import metrics

pytestmark = pytest.mark.django_db


@pytest.fixture
def measured(client, settings):
    """Each sample by its name and the values of its labels, in the order of their names."""
    settings.METRICS_ADDRESSES = public.networks("X", ["127.0.0.0/8"])

    def ask() -> dict[tuple[str, ...], float]:
        response = client.get("/metrics")
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/plain")
        families = text_string_to_metric_families(response.content.decode())
        return {
            (one.name, *(text for _, text in sorted(one.labels.items()))): one.value
            for family in families
            for one in family.samples
        }

    return ask


def attempt(card: Any, **fields: Any) -> Attempt:
    return Attempt.objects.create(
        **{"card": card, "engine_name": "local", "started_at": timezone.now(), "duration": 1.0} | fields
    )


def test_cards_and_batches_by_status(measured, batch, user):
    Batch.objects.filter(pk=batch.pk).update(completed=7, failed=2, to_check=3, reviewed=1, status="completed")
    Batch.objects.create(name="Waits", owner=user, status="paused", pause_reason="budget", pending=40)
    Batch.objects.create(name="Gone", owner=user, status="completed", completed=900, deleted_at=timezone.now())
    found = measured()
    cards = {status: found["cardocr_cards", status] for status in ("completed", "failed", "pending", "processing")}
    assert cards == {"completed": 7, "failed": 2, "pending": 40, "processing": 0}
    assert (found["cardocr_cards_to_check",], found["cardocr_cards_reviewed",]) == (3, 1)
    assert (found["cardocr_batches", "completed"], found["cardocr_batches", "paused"]) == (1, 1)
    assert found["cardocr_batches_paused", "budget"] == 1


def test_consumers_leases_and_what_waits(measured, make_cards):
    now = timezone.now()
    worker = Worker.objects.create(uid="w1", host="reader", pid=1, started_at=now, seen_at=now)
    Worker.objects.create(uid="w0", host="gone", pid=1, started_at=now, seen_at=now - datetime.timedelta(minutes=1))
    cards = make_cards(3)
    for card, seconds in zip(cards, (20, -5), strict=False):
        card.worker, card.lease_until, card.prepared_at = worker, now + datetime.timedelta(seconds=seconds), now
        card.save()
    found = measured()
    assert [found[f"cardocr_{name}",] for name in ("leases", "leases_outdated", "consumers")] == [2, 1, 1]
    assert found["cardocr_queue_tasks",] == metrics.HUEY.pending_count()
    assert found["cardocr_last_heartbeat_timestamp_seconds",] == pytest.approx(now.timestamp(), abs=0.01)
    assert found["cardocr_cards_unprepared",] == 1
    assert found["cardocr_ready", "consumer"] == 1


def test_what_engines_took_and_cost(measured, engine):
    for month in (10, 11):
        Spending.objects.create(
            engine=engine, month=datetime.date(2026, month, 1), calls=5, tokens_in=100, tokens_out=20, cost="0.25"
        )
    found = measured()
    assert found["cardocr_calls_total", engine.name] == 10
    assert [found["cardocr_tokens_total", way, engine.name] for way in ("in", "out")] == [200, 40]
    assert found["cardocr_cost_total", engine.currency, engine.name] == 0.5


def test_the_last_minutes_calls_by_engine_and_error(measured, make_cards):
    card = make_cards(1)[0]
    for seconds in range(1, 21):
        attempt(card, duration=float(seconds))
    attempt(card, error="TIMEOUT", duration=300.0)
    attempt(card, started_at=timezone.now() - datetime.timedelta(minutes=6), duration=5000.0)
    found = measured()
    assert (found["cardocr_recent_calls", "local", ""], found["cardocr_recent_calls", "local", "TIMEOUT"]) == (20, 1)
    assert found["cardocr_recent_call_seconds", "local", "0.5"] == 10
    assert found["cardocr_recent_call_seconds", "local", "0.95"] == 19


def test_its_queries_do_not_grow(measured, batch, make_cards, django_assert_num_queries, django_assert_max_num_queries):
    with django_assert_max_num_queries(13 if connection.vendor == "postgresql" else 12) as before:  # its size is asked
        measured()
    for card in make_cards(20):
        attempt(card)
    with django_assert_num_queries(len(before)):
        measured()


def test_this_process_and_its_disk(measured, settings):
    found = measured()
    assert found["cardocr_disk_free_bytes",] > 0
    assert found["cardocr_disk_kept_free_bytes",] == settings.MIN_FREE_BYTES
    assert found["cardocr_sockets",] == 0
    assert connection.vendor == "sqlite" or found["cardocr_database_bytes",] > 1_000_000


def test_one_broken_part_leaves_the_others(measured, monkeypatch, caplog):
    def broken() -> Any:
        raise OSError("no queue")

    monkeypatch.setattr(metrics.HUEY, "pending_count", broken)
    found = measured()
    assert ("cardocr_queue_tasks",) not in found
    assert found["cardocr_ready", "queue"] == 0
    assert ("cardocr_cards", "failed") in found
    assert "no queue" in caplog.text


def test_nobody_else_is_told(client, user, administrator):
    assert client.get("/metrics").status_code == 401
    for person, status in ((user, 403), (administrator, 200)):
        _row, token = tokens.make(person, "Prometheus", AccessToken.Scope.READ, None)
        assert client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_a_forwarded_address_counts_from_trusted_proxies_alone(client, settings):
    settings.METRICS_ADDRESSES = public.networks("X", ["10.9.0.0/16", "2001:db8::/32"])
    for address, status in (("10.9.1.1", 200), ("10.8.1.1", 401), ("2001:db8::7", 200), ("nonsense", 401)):
        assert client.get("/metrics", REMOTE_ADDR=address).status_code == status, address
    forwarded = {"X-Forwarded-For": "10.9.1.1"}
    assert client.get("/metrics", headers=forwarded).status_code == 401
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    assert client.get("/metrics", headers=forwarded).status_code == 200
    assert client.get("/metrics", headers={"X-Forwarded-For": "10.8.1.1"}).status_code == 401


def test_openmetrics_is_told_to_whoever_prefers_it(client, settings):
    settings.METRICS_ADDRESSES = public.networks("X", ["127.0.0.1"])
    response = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["Content-Type"].startswith("application/openmetrics-text")
    assert response.content.rstrip().endswith(b"# EOF")


def test_calls_in_flight_of_each_worker(measured, engine):
    now = timezone.now()
    for host, calls in (("one", 3), ("two", 1)):
        worker = Worker.objects.create(uid=host, host=host, pid=7, started_at=now, seen_at=now)
        Share.objects.create(engine=engine, worker=worker, wanted=9, granted=4, in_flight=calls)
    found = measured()
    assert [found["cardocr_calls_in_flight", engine.name, f"{host}:7"] for host in ("one", "two")] == [3, 1]
    assert found["cardocr_calls_allowed", engine.name, "one:7"] == 4
