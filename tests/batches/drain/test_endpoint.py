"""The drain against a real server that fails by image."""

import time
from collections import Counter

import pytest
from django.utils import timezone

from batches.actions import runs
from batches.drain import engines as engines_module
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
            defaults={"address": server.url, "model": "test-model", "timeout": 20, **engine},
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
    server.fail(0, mode, times=calls)  # the first one: answers to those that begin after it prove the endpoint
    batch = make_batch(8, timeout=1 if mode == "timeout" else 20, max_in_flight=2)
    batch.cards.update(prepared_at=timezone.now())
    service.wake(batch.pk)
    until(over(batch))
    failed = batch.cards.get(status="failed")
    assert (failed.filename, failed.error, failed.tries) == ("0.jpg", error, 3)
    assert failed.error_message
    assert Batch.objects.get(pk=batch.pk).completed == 7
    assert server.calls_of(0) == calls
    runs.retry_all(batch)
    service.wake(batch.pk)
    until(lambda: Batch.objects.get(pk=batch.pk).completed == 8)
    assert authors(batch) == {f"{n}.jpg": f"author {n}" for n in range(8)}


@pytest.mark.parametrize("mode", ["null_values", "number_values"])
def test_a_null_or_a_number_harms_nothing(make_batch, server, service, mode):
    server.fail(1, mode)
    batch = make_batch(3)
    service.wake(batch.pk)
    until(over(batch))
    assert Batch.objects.get(pk=batch.pk).completed == 3
    assert authors(batch)["1.jpg"] == (None if mode == "null_values" else "1")


def test_an_empty_reading_is_counted_among_those_to_check(make_batch, server, service):
    server.answer({"year": "1901"})
    server.fail(1, "null_values")
    batch = make_batch(3)
    optional = [{**field, "required": False} for field in FIELDS]
    Batch.objects.filter(pk=batch.pk).update(fields=optional)
    service.wake(batch.pk)
    until(over(batch))
    done = Batch.objects.get(pk=batch.pk)
    assert (done.completed, done.failed, done.to_check) == (3, 0, 1)
    assert done.nothing_found == 1
    assert batch.cards.get(to_check=True, nothing_found=True).filename == "1.jpg"


def test_a_storm_of_rate_limits_costs_no_card(make_batch, server, service, monkeypatch):
    monkeypatch.setattr(engines_module, "LONGEST_REST", 0.1)  # they grow where an endpoint is refused again and again
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
        until(lambda batch=batch: not batch.cards.filter(status__in=["pending", "processing"]).exists())
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


def test_with_64_threads_several_batches_are_read_side_by_side(make_batch, server, settings):
    settings.EXTRACTION_THREADS = 64
    server.delay = 0.3
    sizes = (100, 20, 60)
    batches = [make_batch(number, first=200 * n) for n, number in enumerate(sizes)]
    Card.objects.update(prepared_at=timezone.now())
    service = Service(engines=Engines())
    try:
        for batch in batches:
            service.wake(batch.pk)
        for batch in batches:
            until(over(batch), 60)
    finally:
        service.stop(20)
    for n, (batch, number) in enumerate(zip(batches, sizes, strict=True)):
        batch.refresh_from_db()
        counted = Counter(batch.cards.values_list("status", flat=True))
        assert counted == {"completed": number}
        assert (batch.completed, batch.pending, batch.processing) == (number, 0, 0)
        assert batch.tokens_in == 1200 * number
        assert authors(batch) == {f"{card}.jpg": f"author {card}" for card in range(200 * n, 200 * n + number)}
    assert len(server.calls) == sum(sizes)
    assert 32 < server.most_in_flight <= 64
