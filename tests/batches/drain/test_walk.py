"""Random walks: people, workers, kills and late answers in any order, and what must hold after each step.

Rows alone, without threads and calls: a walk is the same each time it is made. More of them: `WALKS=60`.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from batches import changes, tasks
from batches.actions import cards as edits
from batches.actions import runs
from batches.drain import blocks, claims
from batches.drain.collector import Collector
from batches.drain.outcomes import Event, Outcome, Start
from batches.drain.sweeper import Sweeper
from batches.models import Attempt, Batch, Card, CardResult, Worker
from batches.queries.means import setup_of
from batches.states import BatchStatus, CardStatus, ResultState
from ocr import errors
from ocr.reading import FieldReading, Reading, ValueState
from tests.batches.drain.adapters import reading_of
from tests.batches.drain.test_claims import make_worker

pytestmark = pytest.mark.django_db

CARDS, STEPS = 9, 100
WALKS = int(os.environ.get("WALKS", "6"))
REFUSALS = (changes.TransitionRefused, edits.EditConflict)
ERRORS = (
    errors.EngineFailed("500"),
    errors.ReplyInvalid("not JSON"),
    errors.RateLimited("429", retry_after=0),
    errors.RequestRefused("400"),
    errors.CredentialsRefused("401"),
    errors.CallWithheld(),
)
SEEN = ("status", "result_id", "to_check", "reviewed", "skip_reason", "error")


class World:
    """A batch, workers that come and go, answers that are on their way, and what people have entered."""

    def __init__(self, batch: Batch, user, seed: int) -> None:
        self.pk, self.user, self.chance = batch.pk, user, random.Random(seed)
        self.workers: list[Worker] = []
        self.claimed: list[Card] = []  # by whichever worker, alive or not, in whatever claim
        self.flying: list[Card] = []
        self.entered: dict[int, dict[str, str]] = {}
        self.written = 0

    @property
    def batch(self) -> Batch:
        return Batch.objects.get(pk=self.pk)

    def any_card(self) -> Card:
        return Card.objects.get(pk=self.chance.choice(list(Card.objects.values_list("pk", flat=True))))

    # -- workers

    def come(self) -> None:
        if len(self.workers) < 3:
            self.workers.append(make_worker(f"w{Worker.objects.count()}-{self.chance.random()}", host="elsewhere"))

    def take(self) -> None:
        if self.workers:
            self.claimed += claims.take(self.pk, self.chance.choice(self.workers), self.chance.randint(1, 4))

    def let_go(self) -> None:
        if self.workers:
            worker = self.chance.choice(self.workers)
            mine = [card for card in self.claimed if card.worker_id == worker.pk]
            claims.release(self.pk, worker, [card.pk for card in mine])

    def start_a_call(self) -> None:
        if self.claimed:
            card = self.claimed.pop(self.chance.randrange(len(self.claimed)))
            start = Start(card, timezone.now())
            self.write(card, start)
            if not start.refused:
                self.flying.append(card)

    def answer(self) -> None:
        self.settle(reading_of)

    def fail(self) -> None:
        self.settle(None)

    def settle(self, read: Callable | None) -> None:
        """Late or not: the worker may be dead, the card another's, the batch over."""
        if self.flying:
            card = self.flying.pop(self.chance.randrange(len(self.flying)))
            setup = setup_of(card.batch, card.batch.engine)
            outcome = Outcome(card, card.batch, setup, started_at=timezone.now(), duration=0.1)
            if read is None:
                outcome.error = self.chance.choice(ERRORS)
                outcome.started_at = None if isinstance(outcome.error, errors.CallWithheld) else outcome.started_at
            else:
                outcome.reading = self.chance.choice([read, read, empty])(card.filename)
            self.written += outcome.started_at is not None
            self.write(card, outcome)

    def write(self, card: Card, event: Event) -> None:
        Collector(card.worker_id).write([event])

    def stop_in_order(self) -> None:
        if self.workers:
            worker = self.workers.pop(self.chance.randrange(len(self.workers)))
            claims.give_back(worker)
            worker.delete()

    def die(self) -> None:
        """By `kill -9`; somebody sweeps up later. Its answers may still arrive: a host that was only cut off."""
        if self.workers:
            worker = self.workers.pop(self.chance.randrange(len(self.workers)))
            Worker.objects.filter(pk=worker.pk).update(seen_at=timezone.now() - timedelta(minutes=1))

    def sweep(self) -> None:
        me = make_worker(f"sweeper-{self.chance.random()}")
        Sweeper(me).free_the_dead()
        blocks.finish_cut_short()
        me.delete()

    # -- people

    def pause(self) -> None:
        runs.pause(self.batch)

    def resume(self) -> None:
        runs.resume(self.batch)

    def cancel(self) -> None:
        runs.cancel(self.batch)

    def retry_all(self) -> None:
        runs.retry_all(self.batch)

    def retry(self) -> None:
        runs.retry_card(self.any_card())

    def skip(self) -> None:
        runs.skip(self.any_card())

    def read_after_all(self) -> None:
        edits.read_after_all(self.any_card())

    def correct(self) -> None:
        card = self.any_card()
        said = f"said {self.chance.random()}"
        version = card.version - (self.chance.random() < 0.2)  # sometimes as it stood before another's change
        edits.correct(card, self.user, version, {"title": said}, reviewed=self.chance.choice([True, False, None]))
        self.entered.setdefault(card.pk, {})["title"] = said

    def enter(self) -> None:
        card = self.any_card()
        said = f"entered {self.chance.random()}"
        edits.enter_by_hand(card, self.user, {"author": said})
        self.entered[card.pk] = {"author": said}


# How often each is done, more or less.
STEP = {
    World.come: 2,
    World.take: 7,
    World.start_a_call: 12,
    World.answer: 8,
    World.fail: 4,
    World.let_go: 1,
    World.stop_in_order: 1,
    World.die: 1,
    World.sweep: 2,
    World.pause: 1,
    World.resume: 3,
    World.cancel: 0.5,
    World.retry_all: 1,
    World.retry: 1,
    World.skip: 0.5,
    World.read_after_all: 1,
    World.correct: 3,
    World.enter: 0.5,
}


def empty(name: str) -> Reading:
    return replace(
        reading_of(name), fields=dict.fromkeys(("author", "title", "year"), FieldReading(None, None, ValueState.ABSENT))
    )


@pytest.fixture
def world(batch, user, make_cards, monkeypatch, request):
    monkeypatch.setattr(tasks, "drain", lambda batch_id: None)
    make_cards(CARDS, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())
    return World(batch, user, request.param)


def as_seen() -> dict[int, tuple[object, ...]]:
    return {pk: tuple(rest) for pk, *rest in Card.objects.values_list("pk", *SEEN)}


@pytest.mark.parametrize("world", range(WALKS), indirect=True)
def test_whatever_happens_in_whatever_order_everything_adds_up(world):
    walk = world.chance.choices(list(STEP), weights=list(STEP.values()), k=STEPS)
    for step in walk:
        before, seen = world.batch.version, as_seen()
        try:
            step(world)
        except REFUSALS:
            assert (world.batch.version, as_seen()) == (before, seen), "what is refused changes nothing"
        everything_adds_up(world, before, seen)
    go_on_to_the_end(world)


def everything_adds_up(world: World, before: int, seen: dict[int, tuple[object, ...]]) -> None:
    batch, cards = world.batch, list(Card.objects.select_related("result"))
    assert len(cards) == batch.total == CARDS, "no card is lost"
    counted = Counter(card.status for card in cards)
    assert {status: getattr(batch, status) for status in CardStatus} == {s: counted[s] for s in CardStatus}
    assert batch.to_check == sum(card.to_check for card in cards)
    assert batch.reviewed == sum(card.reviewed for card in cards)
    assert batch.nothing_found == sum(card.nothing_found for card in cards)
    changed = {card.pk: card.version for card in cards if tuple(getattr(card, name) for name in SEEN) != seen[card.pk]}
    assert all(before < version <= batch.version for version in changed.values()), "viewers miss no change"
    assert batch.version >= before + bool(changed)
    if batch.status == BatchStatus.COMPLETED:
        assert not batch.pending + batch.processing
    assert Attempt.objects.count() == world.written, "each call has its row, however late its answer came"
    for card in cards:
        one_card_adds_up(world, card)


def one_card_adds_up(world: World, card: Card) -> None:
    holding = CardResult.objects.filter(card=card, state=ResultState.CURRENT)
    assert [result.pk for result in holding] == ([card.result_id] if card.status == CardStatus.COMPLETED else [])
    assert card.worker_id is None or card.status in {CardStatus.PENDING, CardStatus.PROCESSING}
    assert card.worker_id is not None or card.status != CardStatus.PROCESSING, "nobody would free it"
    if card.result is not None:
        told = {} if card.result.by_hand or card.result.fields["author"]["value"] is None else {"author": card.filename}
        assert card.result.values.items() >= (told | world.entered.get(card.pk, {})).items()
    else:
        assert card.pk not in world.entered, "what a person entered is never taken away"


def go_on_to_the_end(world: World) -> None:
    """The workers are gone for good; one comes and reads whatever is left."""
    while world.workers:
        world.die()
    world.claimed.clear()
    world.sweep()
    world.come()
    for card in Card.objects.filter(status=CardStatus.SKIPPED):
        edits.read_after_all(card)
    runs.retry_all(world.batch)
    Card.objects.update(not_before=None)
    if world.batch.status == BatchStatus.PAUSED:
        runs.resume(world.batch)
    read_all(world)
    if world.batch.cancelled:
        runs.resume(world.batch)
        read_all(world)
    assert (world.batch.status, world.batch.completed) == (BatchStatus.COMPLETED, CARDS)
    everything_adds_up(world, world.batch.version, as_seen())


def read_all(world: World) -> None:
    while world.batch.is_active:
        world.take()
        assert world.claimed, "a card waits, and nobody may have it"
        while world.claimed:
            world.start_a_call()
        while world.flying:
            world.answer()
