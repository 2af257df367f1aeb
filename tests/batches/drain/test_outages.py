"""What the engines' state does to batches: they wait, say why, and go on."""

import hashlib
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from batches import changes
from batches.actions import runs
from batches.drain import outages, scheduler
from batches.drain.breaker import Failure
from batches.drain.engines import Engines, host
from batches.drain.outages import Outages
from batches.drain.service import Service
from batches.intake import adding, store
from batches.models import Attempt, Batch, Card, Rereading
from batches.queries.engines import held_up_by
from batches.states import BatchStatus, CardStatus, PauseReason
from ocr.models import Engine
from tests import vlm_server
from tests.batches.drain.adapters import Scripted
from tests.conftest import FIELDS
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch, settings):
    monkeypatch.setattr(scheduler, "LOOK_EVERY", 0.1)
    settings.PROBE_SECONDS, settings.PROBE_SECONDS_MAX = 0.2, 0.4


@pytest.fixture
def server():
    with vlm_server.running() as server:
        yield server


@pytest.fixture
def reader(db, server):
    kind = Engine.Kind.OPENAI_COMPATIBLE
    return Engine.objects.create(name="gpu", kind=kind, address=server.url, model="test-model", timeout=20)


@pytest.fixture
def make(user, reader):
    def make(number, first=0, **options):
        batch = Batch.objects.create(name="Drawer 12", owner=user, engine=reader, fields=FIELDS, options=options)
        for card in range(first, first + number):
            adding.add_file(batch, f"{card}.jpg", [vlm_server.card_image(card, (160, 120))])
        return runs.start(batch, user)

    return make


@pytest.fixture
def service(transactional_db):
    service = Service(threads=4, engines=Engines())
    yield service
    service.stop(10)


def fresh(batch):
    return Batch.objects.get(pk=batch.pk)


def paused_for(batch, reason):
    return lambda: (fresh(batch).status, fresh(batch).pause_reason) == (BatchStatus.PAUSED, reason)


def completed(batch, number):
    return lambda: fresh(batch).completed == number


def test_an_outage_pauses_all_batches_of_the_engine_and_ends_by_itself(make, server, service):
    server.fail(lambda image: True, "500")
    first, second = make(8, retries=0), make(8, first=10, retries=0)
    service.wake(first.pk)
    until(paused_for(first, PauseReason.ENDPOINT))
    until(paused_for(second, PauseReason.ENDPOINT))
    held = fresh(first)
    assert held.pause_message == f"127.0.0.1:{server.port} does not answer"
    assert held.retry_at is not None
    seen = len(server.calls)
    until(lambda: len(server.calls) >= seen + 3)
    server.heal()
    until(completed(first, 8))
    until(completed(second, 8))
    assert set(Card.objects.values_list("tries", flat=True)) == {1}, "no card was charged with it"
    assert (fresh(first).pause_reason, fresh(first).retry_at) == ("", None)
    lost = Attempt.objects.filter(error="engine_failed")
    assert lost.count() == len(server.calls) - 16
    assert not lost.filter(counted=True).exists()


def test_the_tries_of_the_calls_that_found_it_are_given_back(make, server, service):
    server.fail(lambda image: True, "500")
    batch = make(8)
    service.wake(batch.pk)
    until(paused_for(batch, PauseReason.ENDPOINT))
    until(lambda: not fresh(batch).processing and set(Card.objects.values_list("tries", flat=True)) == {0})
    assert not Attempt.objects.filter(counted=True).exists()
    server.heal()
    until(completed(batch, 8))
    assert set(Card.objects.values_list("tries", flat=True)) == {1}


def test_a_rest_that_one_process_was_asked_for_is_kept_by_all(make, server, service):
    server.delay, server.retry_after = 0.05, "3"
    other = Service(threads=4, engines=Engines())
    try:
        batch = make(60)
        service.wake(batch.pk)
        other.wake(batch.pk)
        until(lambda: len(set(Attempt.objects.values_list("worker_uid", flat=True))) == 2)
        server.fail(lambda image: True, "429", times=1)
        refused = until(lambda: next((call for call in server.calls if call.mode == "429" and call.finished), None))
        until(lambda: Engine.objects.get(name="gpu").rest_until)
        until(completed(batch, 60), 30)
    finally:
        other.stop(10)
    begun = [call.started - refused.finished for call in server.calls]
    assert not [seconds for seconds in begun if 0.3 < seconds < 2.9]
    assert len(server.calls) == 61
    assert set(Card.objects.values_list("tries", flat=True)) == {1}


def test_in_an_outage_one_call_at_a_time_is_made(make, server, service):
    server.fail(lambda image: True, "500")
    batch = make(12)
    service.wake(batch.pk)
    until(paused_for(batch, PauseReason.ENDPOINT))
    until(lambda: not server.in_flight)
    server.most_in_flight, server.delay = 0, 0.2
    seen = len(server.calls)
    until(lambda: len(server.calls) >= seen + 3)
    assert server.most_in_flight == 1
    cards = [call.card for call in server.calls[seen:]]
    assert len(set(cards)) == len(cards), "each probe is another card"


def test_a_card_that_fails_three_times_fails_alone(make, server, service):
    server.fail(3, "500")
    server.delay = 0.1  # so that others are read between its tries and after the last one, and prove the endpoint
    batch = make(24)
    service.wake(batch.pk)
    until(lambda: fresh(batch).status == BatchStatus.COMPLETED, 60)
    assert (fresh(batch).completed, fresh(batch).failed) == (23, 1)
    assert batch.cards.get(status="failed").filename == "3.jpg"


def test_a_persons_pause_wins(make, server, service):
    server.fail(lambda image: True, "500")
    batch = make(6)
    service.wake(batch.pk)
    until(paused_for(batch, PauseReason.ENDPOINT))
    runs.pause(batch)
    until(lambda: not server.in_flight)
    seen = len(server.calls)
    server.heal()
    other = make(2, first=20)
    service.wake(other.pk)
    until(completed(other, 2))
    assert paused_for(batch, PauseReason.PERSON)()
    assert not [call for call in server.calls[seen:] if call.card < 20]


def test_a_restarted_consumer_goes_on_where_the_row_says(make, server, transactional_db):
    batch = make(3)
    soon = timezone.now() + timedelta(seconds=1)
    changes.move_batch(batch, BatchStatus.PAUSED, pause_reason=PauseReason.ENDPOINT, pause_message="x", retry_at=soon)
    service = Service(threads=4, engines=Engines())
    try:
        until(completed(batch, 3))
        assert min(attempt.started_at for attempt in Attempt.objects.all()) >= soon
    finally:
        service.stop(10)


@pytest.mark.parametrize("mode", ["401", "402", "403"])
def test_a_refused_key_makes_no_second_call_until_the_engine_is_saved(make, server, service, reader, mode):
    Engine.objects.filter(pk=reader.pk).update(max_in_flight=1)
    server.fail(lambda image: True, mode)
    first, second = make(4), make(4, first=10)
    service.wake(first.pk)
    until(paused_for(first, PauseReason.CREDENTIALS))
    until(paused_for(second, PauseReason.CREDENTIALS))
    assert f"({mode})" in fresh(second).pause_message
    assert len(server.calls) == 1
    server.heal()
    reader.refresh_from_db()
    reader.set_key("a new key")
    reader.save()
    until(completed(first, 4))
    until(completed(second, 4))
    assert set(Card.objects.values_list("tries", flat=True)) == {1}
    assert len(server.calls) == 9


def test_a_resume_asks_a_refused_key_once_more(make, server, service, reader):
    Engine.objects.filter(pk=reader.pk).update(max_in_flight=1)
    server.fail(lambda image: True, "402", times=2)
    batch = make(3)
    for calls in (1, 2):
        service.wake(batch.pk)
        until(lambda calls=calls: len(server.calls) == calls and paused_for(batch, PauseReason.CREDENTIALS)())
        until(lambda calls=calls: Attempt.objects.count() == calls)  # all is written
        runs.resume(batch)
    service.wake(batch.pk)
    until(completed(batch, 3))
    assert len(server.calls) == 5


def test_retries_send_the_same_bytes(make, server, service):
    server.fail(1, "500", times=2)
    batch = make(3)
    service.wake(batch.pk)
    until(completed(batch, 3))
    sent = [call.sha256 for call in server.calls if call.card == 1]
    page = store.derived(batch.cards.get(filename="1.jpg"), "page")
    original = store.find(batch.cards.get(filename="1.jpg"))
    kept = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (page, original) if path.is_file()}
    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert set(sent) <= kept


# -- one look at a time, without a service


@pytest.fixture
def engines():
    return Engines(lambda config: Scripted())


def pause_for(batch, reason, retry_at=None):
    return changes.move_batch(batch, BatchStatus.PAUSED, pause_reason=reason, pause_message="x", retry_at=retry_at)


def test_after_a_restart_a_key_that_was_saved_meanwhile_is_tried(make, reader, engines):
    batch = pause_for(make(1), PauseReason.CREDENTIALS)
    look = Outages(engines).look
    assert look([]) is False
    reader.save()
    assert Outages(engines).look([]) is True
    assert fresh(batch).status == BatchStatus.QUEUED


def test_a_saved_key_that_is_refused_too_is_not_asked_again(make, reader, engines):
    batch = pause_for(make(1), PauseReason.CREDENTIALS)
    engines.refuse(reader, "401")
    look = Outages(engines).look
    assert look([]) is False
    reader.save()
    assert look([]) is True
    engines.refuse(reader, "401")  # all of it between two looks
    pause_for(batch, PauseReason.CREDENTIALS)
    assert look([]) is False
    assert fresh(batch).status == BatchStatus.PAUSED


def test_of_several_batches_one_is_the_probe(make, reader, engines):
    batches = [pause_for(make(1), PauseReason.ENDPOINT) for _ in range(3)]
    assert Outages(engines).look([]) is True
    assert sorted(fresh(batch).status for batch in batches) == ["paused", "paused", "queued"]


def test_once_the_endpoint_answers_no_card_waits_for_having_been_a_probe(make, reader, engines):
    going, later = make(1), timezone.now() + timedelta(minutes=5)
    Card.objects.update(not_before=later)
    look = Outages(engines).look
    engines.failed(reader, Failure(1, 0.0, no_connection=True))
    look([going])
    assert Card.objects.get().not_before == later
    engines.answered(reader, 1)
    look([fresh(going)])
    assert Card.objects.get().not_before <= timezone.now()


def test_while_a_batch_is_read_it_is_the_probe(make, reader, engines):
    held, going = pause_for(make(1), PauseReason.ENDPOINT), make(1)
    assert Outages(engines).look([going]) is False
    engines.answered(reader, 1)
    assert Outages(engines).look([going]) is True
    assert fresh(held).status == BatchStatus.QUEUED


def test_the_next_try_of_one_is_the_next_try_of_all(make, reader, engines, settings):
    settings.PROBE_SECONDS = settings.PROBE_SECONDS_MAX = 30
    held, going = pause_for(make(1), PauseReason.ENDPOINT, timezone.now()), make(1)
    engines.failed(reader, Failure(1, 0.0, no_connection=True))
    assert Outages(engines).look([going]) is True
    assert fresh(held).retry_at == fresh(going).retry_at > timezone.now() + timedelta(seconds=20)


def test_who_is_quicker_than_the_look_wins(make, reader, engines):
    batch = make(1)
    seen = SimpleNamespace(pk=batch.pk, status=BatchStatus.RUNNING, reader=reader, engine=reader)
    seen.keyed_reader, seen.keyed_engine, seen.rereading = reader, reader, None
    engines.refuse(reader, "402")
    assert Outages(engines).look([seen]) is False
    paused = pause_for(batch, PauseReason.ENDPOINT)
    runs.pause(batch)
    assert outages._resume(paused) is False
    assert fresh(batch).pause_reason == PauseReason.PERSON


@pytest.fixture
def other(db):
    kind = Engine.Kind.OPENAI_COMPATIBLE
    return Engine.objects.create(name="other", kind=kind, address="http://gpu2/v1", model="m")


@pytest.fixture
def both(make, reader, other):
    """A batch in which one card is read again by another engine, and another one is retried by its own."""
    batch = make(2)
    again = Rereading.objects.create(batch=batch, engine=other, model="m")
    batch.cards.filter(filename="0.jpg").update(rereading=again)
    Batch.objects.filter(pk=batch.pk).update(rereading=again)
    return fresh(batch)


def test_the_engine_of_a_retry_beside_a_rereading_holds_the_batch_up_too(both, reader, other, engines, settings):
    settings.PROBE_SECONDS = settings.PROBE_SECONDS_MAX = 30
    look = Outages(engines).look
    engines.answered(other, 1)
    engines.failed(reader, Failure(2, 0.0, no_connection=True))
    assert look([both]) is True
    paused = fresh(both)
    assert (paused.pause_reason, paused.pause_message) == ("endpoint", f"{host(reader)} does not answer")
    assert held_up_by(paused) == reader
    assert look([]) is False, "that the other one answers is no reason to go on"
    engines.answered(reader, 2)
    assert look([]) is True
    assert fresh(both).status == BatchStatus.QUEUED


def test_one_that_is_needed_no_more_does_not(both, reader, other, engines):
    both.cards.filter(rereading=None).update(status=CardStatus.COMPLETED)
    engines.failed(reader, Failure(2, 0.0, no_connection=True))
    assert Outages(engines).look([both]) is False
    pause_for(both, PauseReason.ENDPOINT)
    assert held_up_by(fresh(both)) == other


def test_the_key_of_either_is_mended(both, reader, other, engines):
    engines.refuse(reader, "402")
    look = Outages(engines).look
    assert look([both]) is True
    assert look([]) is False
    reader.save()
    assert look([]) is True
    assert fresh(both).status == BatchStatus.QUEUED


def test_after_a_restart_both_are_asked(both, reader, other, engines):
    pause_for(both, PauseReason.ENDPOINT)
    assert Outages(engines).look([]) is True
    assert fresh(both).status == BatchStatus.QUEUED


def test_a_process_for_one_batch_leaves_others_alone(make, reader, engines):
    mine, other = pause_for(make(1), PauseReason.ENDPOINT), pause_for(make(1), PauseReason.ENDPOINT)
    assert Outages(engines, mine.pk).look([]) is True
    assert (fresh(mine).status, fresh(other).status) == ("queued", "paused")
    assert not Card.objects.exclude(status=CardStatus.PENDING).exists()
