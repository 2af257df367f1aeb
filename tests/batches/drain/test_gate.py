import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from batches.actions import runs
from batches.drain import gate
from batches.models import Batch
from batches.states import BatchStatus
from ocr.models import Engine
from tests.batches.drain.test_claims import make_worker
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def claimed(batch, make_cards):
    """What a call names at the gate of a running batch."""
    worker = make_worker("me")
    (card,) = make_cards(1, worker=worker, claim=1)
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    return gate.Call(batch.pk, card.pk, worker.pk, 1, batch.engine_id)


def in_a_thread(work) -> threading.Thread:
    def run():
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("action", [runs.cancel, runs.pause])
def test_the_answer_waits_for_who_stands_in_the_gate_and_nobody_enters_after_it(batch, claimed, action):
    entered, leave, answered = threading.Event(), threading.Event(), threading.Event()

    def call():
        with gate.passing(claimed):
            entered.set()
            leave.wait(10)

    def stop():
        action(batch)
        answered.set()

    calling = in_a_thread(call)
    assert entered.wait(10)
    stopping = in_a_thread(stop)
    until(lambda: Batch.objects.get(pk=batch.pk).status != BatchStatus.RUNNING)
    assert not answered.wait(0.2), "a call is about to leave"
    leave.set()
    assert answered.wait(10)
    with pytest.raises(gate.CallWithheld), gate.passing(claimed):
        pass
    calling.join()
    stopping.join()


def is_clear(batch_id: int, seconds: float) -> bool:
    """As another process sees it."""
    found: list[bool] = []
    in_a_thread(lambda: found.append(gate.wait_until_clear(batch_id, seconds))).join()
    return found[0]


def test_many_may_stand_in_the_gate_at_once(batch, claimed):
    with gate.passing(claimed), gate.passing(claimed):
        assert not is_clear(batch.pk, 0.0)
    assert is_clear(batch.pk, 0.05)


def test_who_stands_in_the_gate_for_too_long_is_not_waited_for_for_ever(batch, claimed):
    with gate.passing(claimed):
        assert not is_clear(batch.pk, 0.05)
    assert is_clear(batch.pk, 0.05)


def test_who_fails_in_the_gate_has_left_it(batch, claimed):
    with pytest.raises(ValueError, match="no answer"), gate.passing(claimed):
        raise ValueError("no answer")
    assert is_clear(batch.pk, 0.05)


@pytest.mark.parametrize("claim", [0, 2])
def test_nobody_passes_with_another_claim(claimed, claim):
    with pytest.raises(gate.CallWithheld), gate.passing(claimed._replace(claim=claim)):
        pass


@pytest.mark.parametrize("deleted", [True, False])
def test_nobody_passes_once_the_batch_is_in_the_trash_or_over(batch, claimed, deleted):
    changed = {"deleted_at": "2026-11-21T12:00Z"} if deleted else {"status": BatchStatus.COMPLETED}
    Batch.objects.filter(pk=batch.pk).update(**changed)
    with pytest.raises(gate.CallWithheld), gate.passing(claimed):
        pass


def test_nobody_passes_while_the_engine_rests_and_everybody_after(batch, claimed):
    resting = Engine.objects.filter(pk=batch.engine_id)
    resting.update(rest_until=timezone.now() + timedelta(seconds=20))
    with pytest.raises(gate.EngineRests), gate.passing(claimed):
        pass
    other = Engine.objects.create(name="Other", kind=Engine.Kind.OPENAI_COMPATIBLE)
    with gate.passing(claimed._replace(engine_id=other.pk)):
        pass
    resting.update(rest_until=timezone.now() - timedelta(seconds=1))
    with gate.passing(claimed):
        pass
