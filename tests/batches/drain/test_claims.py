from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from batches import changes
from batches.drain import claims, presence, spool
from batches.drain.sweeper import Sweeper
from batches.models import Batch, Card, Rereading, Worker
from batches.states import BatchStatus, CardStatus
from tests.site.processes import POSTGRES

pytestmark = pytest.mark.django_db


@pytest.fixture
def started(batch, make_cards):
    """A queued batch with four prepared cards."""
    make_cards(4, prepared_at=timezone.now())
    return changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())


def make_worker(uid, host="elsewhere"):
    now = timezone.now()
    return Worker.objects.create(uid=uid, host=host, pid=1, started_at=now, seen_at=now)


@pytest.fixture
def worker(db):
    return make_worker("one")


@pytest.fixture
def other_worker(db):
    return make_worker("two")


def statuses(batch):
    return [str(card.status) for card in batch.cards.all()]


def test_cards_are_claimed_by_position_and_numbered(started, worker):
    cards = claims.take(started.pk, worker, 2)
    assert [card.position for card in cards] == [1, 2]
    stored = Card.objects.get(pk=cards[0].pk)
    assert (stored.worker, stored.claim, cards[0].claim) == (worker, 1, 1)
    assert stored.lease_until > timezone.now()


def test_a_claimed_card_still_counts_as_waiting_and_the_first_claim_makes_the_batch_run(started, worker):
    claims.take(started.pk, worker, 2)
    started.refresh_from_db()
    assert (started.status, started.pending, started.processing) == (BatchStatus.RUNNING, 4, 0)
    version = started.version
    claims.take(started.pk, worker, 2)
    started.refresh_from_db()
    assert started.version == version, "a claim alone is nothing to look at"


def test_no_card_is_claimed_twice(started, worker, other_worker):
    mine, theirs = claims.take(started.pk, worker, 3), claims.take(started.pk, other_worker, 3)
    assert [card.position for card in mine] == [1, 2, 3]
    assert [card.position for card in theirs] == [4]
    assert claims.take(started.pk, worker, 3) == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_claim_every_card_and_none_twice(batch, make_cards, worker, other_worker):
    make_cards(40, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())

    def claim(one):
        found = []
        try:
            while cards := claims.take(batch.pk, one, 3):
                found += [(card.pk, card.claim) for card in cards]
        finally:
            connection.close()
        return found

    with ThreadPoolExecutor(2) as both:
        found = [one for claimed in both.map(claim, (worker, other_worker)) for one in claimed]
    assert sorted(found) == [(pk, 1) for pk in sorted(batch.cards.values_list("pk", flat=True))]


def test_unprepared_and_resting_cards_are_passed_over(started, worker):
    first, second, *_rest = started.cards.all()
    Card.objects.filter(pk=first.pk).update(prepared_at=None)
    Card.objects.filter(pk=second.pk).update(not_before=timezone.now() + timedelta(minutes=1))
    assert [card.position for card in claims.take(started.pk, worker, 9)] == [3, 4]


@pytest.mark.parametrize("status", [BatchStatus.PAUSED, BatchStatus.CANCELLED])
def test_nothing_is_claimed_of_a_batch_that_does_not_run(started, worker, status):
    changes.move_batch(started, status)
    assert claims.take(started.pk, worker, 9) == []


def test_nothing_is_claimed_of_a_batch_in_the_trash(started, worker):
    Batch.objects.filter(pk=started.pk).update(deleted_at=timezone.now())
    assert claims.take(started.pk, worker, 9) == []


def test_a_batch_that_empties_between_look_and_lock_gives_nothing(started, worker, monkeypatch):
    monkeypatch.setattr(claims.Card.objects.none().__class__, "exists", lambda self: True)
    assert len(claims.take(started.pk, worker, 9)) == 4
    assert claims.take(started.pk, worker, 9) == []


def test_released_cards_are_claimed_again_with_the_next_number(started, worker, other_worker):
    cards = claims.take(started.pk, worker, 2)
    claims.release(started.pk, worker, [card.pk for card in cards])
    again = claims.take(started.pk, other_worker, 2)
    assert [card.pk for card in again] == [card.pk for card in cards]
    assert {card.claim for card in again} == {2}


def test_nobody_releases_what_another_holds(started, worker, other_worker):
    cards = claims.take(started.pk, worker, 2)
    claims.release(started.pk, other_worker, [card.pk for card in cards])
    claims.release(started.pk, worker, [])
    assert Card.objects.filter(worker=worker).count() == 2


def test_only_started_cards_of_a_crashed_worker_are_charged(started, worker):
    first, second = claims.take(started.pk, worker, 2)
    changes.move_cards(started, Card.objects.filter(pk=first.pk), CardStatus.PROCESSING)
    assert claims.give_back(worker, crashed=True) == 2
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.crashes, second.crashes) == (1, 0)
    assert statuses(started) == ["pending"] * 4
    assert not Card.objects.filter(worker=worker).exists()


def test_an_orderly_return_charges_nobody(started, worker):
    (first,) = claims.take(started.pk, worker, 1)
    changes.move_cards(started, Card.objects.filter(pk=first.pk), CardStatus.PROCESSING)
    claims.give_back(worker)
    first.refresh_from_db()
    assert (first.crashes, first.status) == (0, CardStatus.PENDING)


def test_what_a_dead_worker_held_of_a_stopped_batch_is_stopped(started, worker):
    first, _second = claims.take(started.pk, worker, 2)
    changes.move_cards(started, Card.objects.filter(pk=first.pk), CardStatus.PROCESSING)
    changes.move_batch(started, BatchStatus.CANCELLED)
    claims.give_back(worker, crashed=True)
    assert statuses(started) == ["cancelled", "cancelled", "pending", "pending"]
    started.refresh_from_db()
    assert (started.cancelled, started.pending, started.processing) == (2, 2, 0)


def test_cards_whose_worker_row_was_removed_wait_again(started, worker):
    (first,) = claims.take(started.pk, worker, 1)
    changes.move_cards(started, Card.objects.filter(pk=first.pk), CardStatus.PROCESSING)
    worker.delete()
    claims.free_orphans()
    assert statuses(started) == ["pending"] * 4


def test_a_heartbeat_prolongs_leases(started, worker):
    claims.take(started.pk, worker, 1)
    past = timezone.now() - timedelta(minutes=1)
    Card.objects.filter(worker=worker).update(lease_until=past)
    Worker.objects.filter(pk=worker.pk).update(seen_at=past)
    claims.renew(worker)
    worker.refresh_from_db()
    assert worker.seen_at > past
    assert Card.objects.get(worker=worker).lease_until > timezone.now()


def test_on_one_host_a_worker_lives_as_long_as_it_holds_its_lock():
    here = presence.Presence()
    assert not presence.is_dead(here.worker)
    here.leave()
    assert presence.is_dead(here.worker) or POSTGRES, "its name may be another machine's, too"
    here.worker.seen_at -= timedelta(minutes=1)
    assert presence.is_dead(here.worker)
    assert not Worker.objects.filter(uid=here.worker.uid).exists()


def test_a_lock_file_that_nobody_holds_is_a_dead_worker_and_is_forgotten():
    here = presence.Presence()
    presence.os.close(here._handle)  # as a crash does
    assert presence.is_dead(here.worker)
    presence.forget(here.worker)
    assert not presence.lock_file(here.worker.uid).exists()


def test_on_another_host_a_worker_lives_as_long_as_it_is_seen(worker):
    assert not presence.is_dead(worker)
    worker.seen_at -= timedelta(minutes=1)
    assert presence.is_dead(worker)


def test_a_host_that_was_thought_to_be_gone_and_comes_back_begins_anew(started, worker):
    (card,) = claims.take(started.pk, worker, 1)
    sweeper = Sweeper(make_worker("another"))
    Worker.objects.filter(pk=worker.pk).update(seen_at=timezone.now() - timedelta(minutes=1))
    sweeper.free_the_dead()
    assert not Worker.objects.filter(pk=worker.pk).exists()
    (again,) = claims.take(started.pk, make_worker("a third"), 1)
    claims.renew(worker)
    assert Worker.objects.get(pk=worker.pk).seen_at > timezone.now() - timedelta(seconds=20)
    (after,) = claims.take(started.pk, worker, 1)
    assert again.pk == card.pk != after.pk
    assert Card.objects.get(pk=card.pk).worker == again.worker, "what was given away stays where it is"


@pytest.fixture
def cut_off() -> Iterator[presence.Presence]:
    """A worker of another host in the same folder: it lives, and the database has not heard of it for a minute."""
    found = presence.Presence()
    Worker.objects.filter(pk=found.worker.pk).update(host="elsewhere", seen_at=timezone.now() - timedelta(minutes=1))
    yield found
    found.leave()


def test_the_cards_of_a_host_that_is_cut_off_are_freed_and_its_files_left_to_it(started, worker, cut_off):
    claims.take(started.pk, cut_off.worker, 2)
    answers = spool.folder(cut_off.worker)
    answers.mkdir(parents=True)
    Sweeper(worker).free_the_dead()
    assert not Card.objects.filter(worker=cut_off.worker.pk).exists()
    assert presence.lock_file(cut_off.worker.uid).exists()
    assert answers.exists()


def test_a_dead_worker_is_buried_by_one(started, worker):
    dead = presence.Presence()
    presence.os.close(dead._handle)
    claims.take(started.pk, dead.worker, 2)
    with presence.buried(dead.worker) as first:
        assert first is True
        Sweeper(worker).free_the_dead()
        assert Card.objects.filter(worker=dead.worker).count() == 2, "the first one may be writing its answers"
    Sweeper(worker).free_the_dead()
    assert not Card.objects.filter(worker=dead.worker.pk).exists()
    assert not list(presence.run_folder().glob(f"{dead.worker.uid}*"))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"status": CardStatus.FAILED},
        {"prepared_at": None},
        {"not_before": timezone.now() - timedelta(seconds=9)},
        {"not_before": timezone.now() + timedelta(hours=1)},
        {"worker": True},
        {"rereading": True},
    ],
)
def test_whether_any_is_ready_is_asked_as_they_are_chosen(batch, make_cards, fields):
    (card,) = make_cards(1, prepared_at=timezone.now())
    again = Rereading.objects.create(batch=batch, engine=batch.engine)
    known = {"worker": make_worker("one"), "rereading": again}
    Card.objects.filter(pk=card.pk).update(**{name: known.get(name, value) for name, value in fields.items()})
    for rereading in (None, again.pk):
        assert claims._is_any_ready(batch.pk, rereading) == claims.ready(batch.pk, rereading).exists()
