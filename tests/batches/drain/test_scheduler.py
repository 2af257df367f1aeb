"""Whose turn it is, without any thread: calls are handed out, and end when the test says so."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from batches import changes
from batches.drain import scheduler
from batches.drain.engines import Engines
from batches.drain.scheduler import Scheduler
from batches.models import Batch, Card
from batches.states import BatchStatus, PauseReason
from ocr.models import Engine
from tests.batches.drain.test_claims import make_worker
from tests.conftest import FIELDS

pytestmark = pytest.mark.django_db

THREADS = 12


@pytest.fixture
def start(user, engine):
    Engine.objects.update(max_in_flight=THREADS)

    def start(name: str, cards: int) -> Batch:
        batch = Batch.objects.create(name=name, owner=user, engine=engine, fields=FIELDS, label=name)
        with changes.locked(batch) as change:
            names = [f"{name}-{number}.jpg" for number in range(cards)]
            made = [
                Card(position=at, filename=file, source=file, original_name=file) for at, file in enumerate(names, 1)
            ]
            for card in made:
                card.prepared_at = timezone.now()
            change.add_cards(made)
        return changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())

    return start


class Turns:
    def __init__(self) -> None:
        self.scheduler = Scheduler(make_worker("one"), None, Engines(lambda config: None), THREADS)

    def look(self) -> None:
        self.scheduler._look_at_batches(rung=True)

    def flying(self) -> Counter[str]:
        """Hand out what there are threads for."""
        self.scheduler._dispatch()
        return Counter({run.batch.name: len(run.flying) for run in self.scheduler._runs.values()})

    def end(self) -> None:
        """All calls in flight are over."""
        while not self.scheduler._jobs.empty():
            run, job = self.scheduler._jobs.get()
            self.scheduler._engines.leave(job.engine, probe=job.probe)
            run.flying.discard(job.card.pk)
            self.scheduler._in_flight -= 1
            Card.objects.filter(pk=job.card.pk).delete()


@pytest.fixture
def turns(db) -> Turns:
    return Turns()


@pytest.fixture
def few(monkeypatch) -> None:
    monkeypatch.setattr(scheduler, "FEW", 20)


def test_two_large_batches_share_the_threads(turns, start, few):
    start("one", 30)
    start("other", 30)
    turns.look()
    assert turns.flying() == {"one": 6, "other": 6}


def test_a_small_batch_gets_two_thirds_of_the_threads_and_the_large_one_a_third(turns, start, few):
    start("huge", 60)
    turns.look()
    assert turns.flying() == {"huge": 12}
    start("small", 20)
    turns.look()
    turns.end()
    assert turns.flying() == {"huge": 4, "small": 8}


def test_a_large_batch_is_read_on_behind_any_number_of_small_ones(turns, start, few):
    start("huge", 60)
    calls = Counter[str]()
    for number in range(4):  # one after the other, and each round there is one more
        start(f"small-{number}", 20)
        turns.look()
        flying = turns.flying()
        assert flying["huge"] >= THREADS // (2 * (number + 1) + 1)
        calls += flying
        turns.end()
    assert calls["huge"] >= 4 + 2 + 1 + 1
    assert calls.total() == 4 * THREADS


def test_a_large_batch_that_has_little_left_counts_as_small(turns, start, few):
    huge, _other = start("huge", 60), start("other", 60)
    Batch.objects.filter(pk=huge.pk).update(pending=20)
    turns.look()
    assert turns.flying() == {"huge": 8, "other": 4}


def loads(turns, django_assert_num_queries, number: int) -> None:
    with django_assert_num_queries(number):
        turns.scheduler._look_at_batches(rung=False)


def test_batches_in_which_nothing_is_new_are_not_loaded_again(turns, start, django_assert_num_queries):
    batch = start("one", 5)
    turns.look()
    (run,) = turns.scheduler._runs.values()
    Batch.objects.filter(pk=batch.pk).update(pending=3, version=7)
    loads(turns, django_assert_num_queries, 1)
    assert run.batch.pending == 3


@pytest.mark.parametrize("change", ["status", "options", "engine", "rest", "profile", "more"])
def test_what_is_new_is_seen_without_a_doorbell(turns, start, change):
    batch = start("one", 5)
    turns.look()
    if change == "status":
        changes.move_batch(batch, BatchStatus.PAUSED, pause_reason=PauseReason.PERSON)
    elif change == "options":
        Batch.objects.filter(pk=batch.pk).update(options={"concurrency": 1})
    elif change == "more":
        start("two", 5)
    else:
        engine = Engine.objects.get(pk=batch.engine_id)
        later = {
            "rest": {"rest_until": timezone.now() + timedelta(minutes=1)},
            "profile": {"profile": {"a": 1}},
        }
        Engine.objects.filter(pk=engine.pk).update(**later.get(change, {}))
        engine.save() if change == "engine" else None
    before = list(turns.scheduler._runs.values())
    told = [(run.batch, run.active, run.batch.options, run.engine.profile, run.engine.updated_at) for run in before]
    turns.scheduler._look_at_batches(rung=False)
    runs = list(turns.scheduler._runs.values())
    now = [(run.batch, run.active, run.batch.options, run.engine.profile, run.engine.updated_at) for run in runs]
    assert now != told or turns.scheduler._engines.room(batch.engine) == 0


def test_batches_are_loaded_now_and_then_anyway(turns, start, monkeypatch, django_assert_num_queries):
    batch = start("one", 5)
    turns.look()
    (run,) = turns.scheduler._runs.values()
    Batch.objects.filter(pk=batch.pk).update(instruction="Read the back.")
    monkeypatch.setattr(scheduler, "REFRESH_EVERY", 0.0)
    turns.scheduler._look_at_batches(rung=False)
    assert run.batch.instruction == "Read the back."
