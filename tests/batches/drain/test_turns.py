"""People, workers and sweeps take turns at random around re-readings: a batch always comes to its end."""

import os
import random
from contextlib import suppress

import pytest
from django.utils import timezone

from batches import changes
from batches.actions import cards as card_actions
from batches.actions import problems, rereadings, runs
from batches.drain import blocks, claims
from batches.drain.collector import Collector
from batches.drain.outcomes import Outcome, Start
from batches.models import Batch, Card
from batches.queries.means import setup_again, setup_of
from batches.queries.rereading import Means
from batches.states import BatchStatus, CardStatus
from ocr.errors import CallWithheld, EngineFailed, ReplyInvalid
from ocr.models import Engine
from tests.batches.drain.adapters import reading_of
from tests.batches.drain.test_claims import make_worker
from tests.batches.drain.test_rereading import counters_are_right
from tests.conftest import FIELDS

pytestmark = pytest.mark.django_db

WALKS = int(os.environ.get("WALKS", "4"))
REFUSED = (changes.TransitionRefused, rereadings.CannotReadAgain, runs.CannotStart, card_actions.EditConflict)


class Turns:
    def __init__(self, batch: Batch, user, other: Engine, seed: int) -> None:
        self.pk, self.user, self.other, self.random = batch.pk, user, other, random.Random(seed)
        self.workers = [make_worker(name) for name in ("one", "two")]
        self.flying: list[tuple[Card, object]] = []

    @property
    def batch(self) -> Batch:
        return Batch.objects.select_related("engine", "rereading__engine").get(pk=self.pk)

    def card(self) -> Card:
        return self.random.choice(list(self.batch.cards.all()))

    def one(self) -> str:
        people = [self.skip, self.by_hand, self.correct, self.review, self.retry, self.retry_all, self.retry_cause]
        people += [self.skip_cause, self.after_all, self.pause, self.resume, self.cancel, self.reread, self.reread]
        machine = [self.take, self.take, self.take, self.answer, self.answer, self.answer, self.kill, self.sweep]
        turn = self.random.choice(machine if self.random.random() < 0.7 else people)
        with suppress(*REFUSED):
            turn()
        return turn.__name__

    def take(self) -> None:
        batch, worker = self.batch, self.random.choice(self.workers)
        again = self.random.choice([None, batch.rereading])
        for card in claims.take(batch.pk, worker, self.random.randint(1, 3), again.pk if again else None):
            setup = setup_again(batch, again) if again else setup_of(batch, batch.engine)
            self.flying.append((card, setup))
            if self.random.random() < 0.7:
                Collector(worker.pk).write([Start(card, timezone.now())])

    def answer(self) -> None:
        if not self.flying:
            return
        card, setup = self.flying.pop(self.random.randrange(len(self.flying)))
        made = [reading_of("Sinding"), reading_of(card.filename)]
        what = self.random.choice([*made, EngineFailed("no"), ReplyInvalid("no"), CallWithheld()])
        told = {"error": what} if isinstance(what, Exception) else {"reading": what}
        Collector(card.worker_id).write([Outcome(card, self.batch, setup, started_at=timezone.now(), **told)])

    def kill(self) -> None:
        worker = self.random.choice(self.workers)
        self.flying = [(card, setup) for card, setup in self.flying if card.worker_id != worker.pk]
        claims.give_back(worker, crashed=True)

    def sweep(self) -> None:
        blocks.finish_cut_short()

    def skip(self) -> None:
        runs.skip(self.card())

    def by_hand(self) -> None:
        card_actions.enter_by_hand(self.card(), self.user, {"author": "by hand"})

    def correct(self) -> None:
        card = self.card()
        card_actions.correct(card, self.user, card.version, {"author": f"typed {self.random.random()}"})

    def review(self) -> None:
        card = self.card()
        card_actions.mark_reviewed(card, self.user, card.version, reviewed=self.random.random() > 0.3)

    def retry(self) -> None:
        runs.retry_card(self.card())

    def retry_all(self) -> None:
        runs.retry_all(self.batch)

    def retry_cause(self) -> None:
        problems.retry_cause(self.batch, self.random.choice(["engine_failed", "reply_invalid"]))

    def skip_cause(self) -> None:
        problems.skip_cause(self.batch, self.random.choice(["engine_failed", "reply_invalid"]))

    def after_all(self) -> None:
        card_actions.read_after_all(self.card())

    def pause(self) -> None:
        runs.pause(self.batch)

    def resume(self) -> None:
        runs.resume(self.batch)

    def cancel(self) -> None:
        runs.cancel(self.batch)

    def reread(self) -> None:
        if self.random.random() < 0.5:
            self.end()  # while a batch is read, nothing of it is read again
        engine = self.random.choice([self.batch.engine, self.other])
        cards = self.batch.cards.filter(position__lte=self.random.randint(1, 6))
        rereadings.start(self.batch, self.user, cards, Means(engine))

    def end(self) -> None:
        """Nobody interferes from now on."""
        for _ in range(60):
            while self.flying:
                self.answer()
            self.sweep()
            if self.batch.status in {BatchStatus.PAUSED, BatchStatus.CANCELLED}:
                with suppress(*REFUSED):
                    self.resume()
            if self.batch.status == BatchStatus.COMPLETED:
                return
            Card.objects.update(not_before=None)
            self.take()
        raise AssertionError(f"the batch is {self.batch.status} for good: {list(self.batch.cards.values())}")


@pytest.fixture
def turns(batch, engine, make_cards, user, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 2)
    monkeypatch.setattr(problems, "BLOCK", 2)
    monkeypatch.setattr(runs.tasks, "drain", lambda batch_id: None)
    kind = Engine.Kind.OPENAI_COMPATIBLE
    other = Engine.objects.create(name="Second", kind=kind, address="http://x", model="m", place="inside")
    Engine.objects.filter(pk=engine.pk).update(kind=kind, address="http://y", model="n", place="inside")
    engine.refresh_from_db()

    def turns(seed: int) -> Turns:
        make_cards(6, prepared_at=timezone.now())
        changes.move_batch(
            batch, BatchStatus.QUEUED, engine=engine, started_at=timezone.now(), fields=FIELDS, options={"retries": 1}
        )
        return Turns(batch, user, other, seed)

    return turns


@pytest.mark.parametrize("seed", range(WALKS))
def test_a_batch_comes_to_its_end_whatever_the_order(turns, seed):
    walk = turns(seed)
    done = []
    for _turn in range(60):
        done.append(walk.one())
        counters_are_right(walk.batch)
    walk.end()
    batch = walk.batch
    counters_are_right(batch)
    assert (batch.rereading_id, batch.pending, batch.processing) == (None, 0, 0), done
    assert not batch.cards.exclude(rereading=None).exists(), done
    assert not batch.cards.exclude(worker=None).exists(), done
    assert not batch.cards.filter(status=CardStatus.COMPLETED, result=None).exists()
    for again in batch.rereadings.all():
        assert again.finished_at is not None
        assert again.equal + again.different + again.failed <= again.total
