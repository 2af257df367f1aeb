"""Whose key cards are read with: frozen at the start, that of who tries and reads again, changed by who says so."""

import pytest

from batches.actions import keys, rereadings, runs, trying
from batches.drain import scheduler
from batches.drain.service import Service
from batches.models import Batch, Card
from batches.queries.rereading import Means
from batches.states import BatchStatus, PauseReason
from ocr import people
from ocr.engines.base import sending
from ocr.errors import CredentialsRefused
from ocr.models import Engine
from tests.batches.drain.adapters import Scripted
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

HOUSE, INGRID, MAGNUS = "sk-house", "sk-ingrid", "sk-magnus"


@pytest.fixture
def engine(transactional_db) -> Engine:
    made = Engine(name="gpu", kind=Engine.Kind.OPENAI_COMPATIBLE, address="https://vlm.example.org/v1", model="qwen")
    made.set_key(HOUSE)
    made.save()
    return made


class Noting(Scripted):
    """By key: the cards that were read with it; those in `refused` are turned away."""

    def __init__(self, of: dict[str, list[str]], key: str, refused: set[str]) -> None:
        super().__init__(full_resolution=False)
        self.of, self.key, self.refused = of, key, refused

    def read(self, image, task):
        with sending():  # as every request does on its way out
            if self.key in self.refused:
                raise CredentialsRefused("401 of the endpoint")
            self.of.setdefault(self.key, []).append(image.path.name)
        return super().read(image, task)


@pytest.fixture
def refused() -> set[str]:
    return set()


class Used(dict[str, list[str]]):
    service: Service


def at_rest(used: Used) -> None:
    """Nothing is known to the service of what it has read: the next card is read as the rows say."""
    until(lambda: not used.service._scheduler._runs)


@pytest.fixture
def used(services, monkeypatch, refused):
    """{key: cards read with it}, while a service runs."""
    monkeypatch.setattr(scheduler, "LOOK_EVERY", 0.1)
    found = Used()
    found.service = services(threads=2, build=lambda config: Noting(found, config.key, refused))
    return found


def fresh(batch: Batch) -> Batch:
    return Batch.objects.select_related("key_of").get(pk=batch.pk)


def is_over(batch: Batch):
    return lambda: fresh(batch).status == BatchStatus.COMPLETED


def is_held(batch: Batch):
    held = (BatchStatus.PAUSED, PauseReason.CREDENTIALS)
    return lambda: (fresh(batch).status, fresh(batch).pause_reason) == held


def test_a_batch_is_read_with_the_key_of_who_started_it_or_the_engines(make_batch, used, user, other_user, engine):
    people.set_key(user, engine, INGRID)
    mine, theirs = make_batch("1.jpg"), make_batch("2.jpg")
    runs.start(mine, user)
    runs.start(theirs, other_user)
    until(is_over(mine))
    until(is_over(theirs))
    assert {key: len(cards) for key, cards in used.items()} == {INGRID: 1, HOUSE: 1}
    assert (fresh(mine).key_of, fresh(theirs).key_of) == (user, None)


def test_a_key_that_is_set_after_the_start_is_not_for_that_batch(make_batch, used, user, engine):
    batch = make_batch("1.jpg")
    runs.start(batch, user)
    people.set_key(user, engine, INGRID)
    until(is_over(batch))
    assert list(used) == [HOUSE]


def test_tries_are_paid_by_who_asks(make_batch, used, user, other_user, engine):
    people.set_key(other_user, engine, MAGNUS)
    batch = make_batch("1.jpg", "2.jpg", "3.jpg")
    trying.ask(batch, other_user)
    until(lambda: len(used.get(MAGNUS, [])) == 3)
    assert list(used) == [MAGNUS]


def test_a_reading_again_is_paid_by_who_asks_and_the_batch_keeps_its_key(make_batch, used, user, other_user, engine):
    people.set_key(user, engine, INGRID)
    batch = make_batch("1.jpg")
    runs.start(batch, user)
    until(is_over(batch))
    people.set_key(other_user, engine, MAGNUS)
    made = rereadings.start(fresh(batch), other_user, Card.objects.filter(batch=batch), Means(engine=engine))
    until(lambda: MAGNUS in used and fresh(batch).status == BatchStatus.COMPLETED)
    assert (made.key_of, fresh(batch).key_of) == (other_user, user)
    assert {key: len(cards) for key, cards in used.items()} == {INGRID: 1, MAGNUS: 1}


def test_a_refused_key_holds_up_only_whom_it_belongs_to(make_batch, used, refused, user, other_user, engine):
    people.set_key(user, engine, INGRID)
    refused.add(INGRID)
    mine, theirs = make_batch("1.jpg"), make_batch("2.jpg")
    runs.start(mine, user)
    until(is_held(mine))
    runs.start(theirs, other_user)
    until(is_over(theirs))
    assert is_held(mine)()
    people.set_key(user, engine, "sk-newer")
    until(is_over(mine))
    assert set(used) == {HOUSE, "sk-newer"}


def test_without_the_key_it_waits_and_says_so_and_never_takes_the_houses(make_batch, used, user, engine):
    people.set_key(user, engine, INGRID)
    batch = make_batch("1.jpg")
    runs.start(batch, user)
    until(is_over(batch))
    at_rest(used)
    people.remove_key(user, engine.pk)
    Card.objects.update(status="failed", result=None)
    Batch.objects.update(completed=0, failed=1)
    runs.retry_all(batch, user)
    until(is_held(batch))
    assert "the key of Ingrid Solberg for “gpu”" in fresh(batch).pause_message
    with pytest.raises(runs.CannotStart, match="key of Ingrid Solberg"):
        runs.resume(batch, user)
    assert list(used) == [INGRID]
    people.set_key(user, engine, "sk-newer")
    until(is_over(batch))
    assert list(used) == [INGRID, "sk-newer"]


def test_the_key_of_a_closed_account_is_used_no_more(make_batch, used, user, other_user, engine):
    people.set_key(user, engine, INGRID)
    batch = make_batch("1.jpg")
    Batch.objects.filter(pk=batch.pk).update(owner=other_user)
    runs.start(batch, user)
    until(is_over(batch))
    at_rest(used)
    user.is_active = False
    user.save()
    Card.objects.update(status="failed", result=None)
    Batch.objects.update(completed=0, failed=1)
    runs.retry_all(batch, other_user)
    until(is_held(batch))
    assert "Ingrid Solberg, whose account is closed" in fresh(batch).pause_message
    runs.resume(batch, other_user, key=keys.MINE)
    until(is_over(batch))
    assert list(used) == [INGRID, HOUSE]
    assert fresh(batch).key_of is None


def test_whoever_reads_on_with_their_own_key_says_so(make_batch, used, user, other_user, engine):
    people.set_key(user, engine, INGRID)
    people.set_key(other_user, engine, MAGNUS)
    batch = make_batch("1.jpg")
    runs.start(batch, user)
    until(is_over(batch))
    assert keys.differing([fresh(batch)], other_user)
    assert not keys.differing([fresh(batch)], user)
    Card.objects.update(status="failed", result=None)
    Batch.objects.update(completed=0, failed=1)
    runs.retry_card(batch.cards.get(), other_user, key=keys.MINE)
    until(is_over(batch))
    assert {key: len(cards) for key, cards in used.items()} == {INGRID: 1, MAGNUS: 1}
    assert fresh(batch).key_of == other_user


def test_an_engine_with_somebodys_key_is_never_stored(user, engine):
    people.set_key(user, engine, INGRID)
    with pytest.raises(ValueError, match="for calls alone"):
        people.keyed(engine, user).save()
