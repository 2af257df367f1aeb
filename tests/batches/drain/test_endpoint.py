"""The drain against a real server that fails by image."""

import time
from collections import Counter

import pytest

from batches.actions import runs
from batches.drain import worker
from batches.drain.engines import Engines
from batches.drain.service import Service
from batches.intake import adding
from batches.models import Batch, Card
from batches.states import BatchStatus
from ocr.models import Engine
from tests import vlm_server
from tests.conftest import FIELDS
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch, settings):
    monkeypatch.setattr(worker, "FIRST_BACK_OFF", 0.05)
    settings.ALLOW_PRIVATE_ENGINES = ["127.0.0.1"]


@pytest.fixture
def server():
    with vlm_server.running() as server:
        yield server


@pytest.fixture
def make_batch(user, server):
    def make(number, first=0, **engine):
        reader, _made = Engine.objects.get_or_create(
            name="gpu",
            kind=Engine.Kind.OPENAI_COMPATIBLE,
            defaults={"address": server.url, "model": "test-model", "timeout": 2, **engine},
        )
        batch = Batch.objects.create(name="Drawer 12", owner=user, engine=reader, fields=FIELDS)
        for card in range(first, first + number):
            adding.add_file(batch, f"{card}.jpg", [vlm_server.card_image(card, (160, 120))])
        return runs.start(batch, user)

    return make


@pytest.fixture
def service(transactional_db):
    service = Service(threads=16, engines=Engines())
    yield service
    service.stop(10)


def over(batch):
    return lambda: Batch.objects.get(pk=batch.pk).status == BatchStatus.COMPLETED


def authors(batch):
    return {card.filename: card.result.values["author"] for card in batch.cards.exclude(result=None)}


@pytest.mark.parametrize(
    ("mode", "error", "calls"),
    [("not_json", "reply_invalid", 6), ("500", "engine_failed", 3), ("timeout", "engine_timeout", 3)],
)
def test_a_bad_reply_fails_its_card_alone_with_a_message_and_a_retry_reads_it(
    make_batch, server, service, mode, error, calls
):
    server.fail(3, mode, times=calls)
    batch = make_batch(8, timeout=1)
    service.wake(batch.pk)
    until(over(batch), 20)
    failed = batch.cards.get(status="failed")
    assert (failed.filename, failed.error, failed.tries) == ("3.jpg", error, 3)
    assert failed.error_message
    assert Batch.objects.get(pk=batch.pk).completed == 7
    assert server.calls_of(3) == calls
    runs.retry_all(batch)
    service.wake(batch.pk)
    until(lambda: Batch.objects.get(pk=batch.pk).completed == 8, 20)
    assert authors(batch) == {f"{n}.jpg": f"author {n}" for n in range(8)}


@pytest.mark.parametrize("mode", ["null_values", "number_values"])
def test_a_null_or_a_number_harms_nothing(make_batch, server, service, mode):
    server.fail(1, mode)
    batch = make_batch(3)
    service.wake(batch.pk)
    until(over(batch), 20)
    assert Batch.objects.get(pk=batch.pk).completed == 3
    assert authors(batch)["1.jpg"] == (None if mode == "null_values" else "1")


def test_a_storm_of_rate_limits_costs_no_card(make_batch, server, service):
    server.retry_after = "0"
    server.fail(lambda image: True, "429", times=12)
    batch = make_batch(6)
    service.wake(batch.pk)
    until(over(batch), 30)
    assert Batch.objects.get(pk=batch.pk).completed == 6
    assert set(batch.cards.values_list("tries", flat=True)) == {1}


def test_after_the_answer_to_cancel_the_server_counts_no_new_call(make_batch, server, service):
    """Counted; test_gate.py shows it without chance. Cards come in waves of 16, 0.4 s apart: the second never comes."""
    server.delay = 0.4
    for round_ in range(4):
        batch = make_batch(40, first=round_ * 40, max_in_flight=16)
        before = len(server.calls)
        service.wake(batch.pk)
        until(lambda seen=before, wanted=round_: len(server.calls) >= seen + 2 + wanted, 20, every=0.001)
        runs.cancel(batch)
        answered = time.monotonic()
        until(lambda batch=batch: not batch.cards.filter(status__in=["pending", "processing"]).exists(), 20)
        late = [call.started - answered for call in server.calls[before:] if call.started > answered + 0.2]
        assert late == [], "what left before the answer may take a moment to be counted, no more"
        batch.refresh_from_db()
        assert batch.completed + batch.cancelled == 40
        assert batch.completed == len(server.calls) - before, "what was in flight is kept"


def test_each_card_is_asked_once_and_has_its_own_answer(make_batch, server, service):
    batch = make_batch(60, max_in_flight=16)
    service.wake(batch.pk)
    until(over(batch), 30)
    assert authors(batch) == {f"{n}.jpg": f"author {n}" for n in range(60)}
    assert Counter(call.card for call in server.calls) == dict.fromkeys(range(60), 1)
    assert not Card.objects.exclude(worker=None).exists()
