import os
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches import changes, tasks
from batches.drain import claims, preparation, service, sweeper, threads
from batches.drain.collector import Collector
from batches.drain.outcomes import Start
from batches.intake import adding, decoders, store
from batches.intake.alone import alone
from batches.models import Batch, Card, Worker
from batches.states import BatchStatus
from cardocr_site import request_ids
from tests.batches.drain.test_claims import make_worker
from tests.conftest import image_bytes
from tests.waiting import until

pytestmark = pytest.mark.django_db


def test_parts_of_broken_uploads_go_after_a_day(db):
    old, new = store.part(), store.part()
    for part in (old, new):
        part.write_bytes(b"half a scan")
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    sweeper.Sweeper(make_worker("me")).sweep()
    assert [old.exists(), new.exists()] == [False, True]


def test_a_part_that_is_renamed_meanwhile_is_no_trouble(monkeypatch, tmp_path):
    left = tmp_path / "left.part"
    left.write_bytes(b"half a scan")
    os.utime(left, (0, 0))
    monkeypatch.setattr(store, "parts", lambda: [tmp_path / "gone.part", left])
    sweeper.clean_parts()
    assert not left.exists(), "the others are looked at all the same"


def test_a_folder_whose_move_was_cut_off_is_settled(batch):
    adding.add_file(batch, "scan.jpg", [image_bytes((80, 60))])
    now = timezone.now()
    changes.move_batch(batch, BatchStatus.QUEUED, started_at=now, label=store.label(batch, now))
    assert batch.uid in store.drafts_on_disk()
    sweeper.Sweeper(make_worker("me")).settle_folders()
    assert store.drafts_on_disk() == []
    assert store.folder(Batch.objects.get(pk=batch.pk)).name == Batch.objects.get(pk=batch.pk).label


def test_what_a_host_that_is_gone_for_good_held_waits_again_within_a_minute(batch, make_cards):
    """Time is moved in the row; a sweep comes every so many seconds."""
    make_cards(2, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())
    gone = make_worker("gone", host="another")
    started, _waiting = claims.take(batch.pk, gone, 2)
    Collector(gone.pk).write([Start(started, timezone.now())])
    seen = Worker.objects.filter(pk=gone.pk)
    seen.update(seen_at=timezone.now() - timedelta(seconds=20))
    sweeper.Sweeper(make_worker("me")).sweep()
    assert batch.cards.filter(worker=gone).count() == 2, "it may only be slow"
    seen.update(seen_at=timezone.now() - timedelta(seconds=60 - sweeper.EVERY))
    sweeper.Sweeper(make_worker("other")).sweep()
    found = batch.cards.order_by("position").values_list("status", "worker", "crashes")
    assert list(found) == [("pending", None, 1), ("pending", None, 0)]


def test_the_living_are_left_alone(db):
    me, other = make_worker("me"), make_worker("other")
    sweeper.Sweeper(me).sweep()
    assert set(Worker.objects.all()) == {me, other}


def test_a_round_that_fails_is_done_again(transactional_db, caplog):
    done = []

    def sometimes():
        done.append(1)
        if len(done) == 1:
            raise RuntimeError("once")

    rounds = threads.Rounds("sometimes", sometimes, 0.01)
    rounds.start()
    until(lambda: len(done) >= 2)
    rounds.stop(5)
    assert "A round of sometimes failed" in caplog.text


def test_a_thread_that_ends_by_a_mistake_says_so(transactional_db, caplog):
    def broken():
        raise RuntimeError("broken")

    threads.spawn("broken", broken).join(5)
    assert "Thread broken ended" in caplog.text


def test_a_card_that_another_process_prepares_is_passed_over_for_now(transactional_db, batch):
    (card,) = adding.add_file(batch, "scan.jpg", [image_bytes((80, 60))]).cards
    told = []
    preparing = preparation.Preparation(told.append)
    with alone(preparation._slot(card.pk)) as mine:
        assert mine
        preparing._prepare_all()
        assert told == []
    preparing._not_before.clear()
    preparing._prepare_all()
    assert told == [batch.pk]


def test_a_card_that_cannot_be_prepared_for_now_is_tried_again_later(batch, monkeypatch, caplog):
    (card,) = adding.add_file(batch, "scan.jpg", [image_bytes((80, 60))]).cards

    def full(card):
        raise decoders.StorageFailed("No space left on device")

    preparing = preparation.Preparation(lambda batch_id: None, batch.pk)
    with monkeypatch.context() as patched:
        patched.setattr(preparation.derive, "prepare", full)
        preparing._prepare_all()
    assert card.pk in preparing._not_before
    assert "could not be prepared" in caplog.text


def test_the_doorbells_wake_the_service_and_the_hooks_start_and_stop_it(monkeypatch):
    woken = []

    class Told:
        def wake(self, batch_id):
            woken.append(batch_id)

        def stop(self):
            woken.append("stopped")

    monkeypatch.setattr(service, "_service", Told())
    tasks.begin()
    tasks.heard_drain.call_local(3)  # as a bell of an earlier version rings
    tasks.heard_prepare.call_local(4, "abcdefgh")
    tasks.end()
    assert woken == [3, 4, "stopped"]


def test_a_bell_tells_which_request_rang(monkeypatch):
    rung = []
    for bell in ("heard_drain", "heard_prepare", "heard_probe"):
        assert bell.endswith(getattr(tasks, bell).task_class.__name__), "or bells of an earlier version are not heard"
        monkeypatch.setattr(tasks, bell, lambda *given: rung.append(given))
    tasks.drain(3)
    ids = request_ids._current.set("harvest-2026.1")
    tasks.prepare(4)
    tasks.probe(5)
    request_ids._current.reset(ids)
    assert rung == [(3, None), (4, "harvest-2026.1"), (5, "harvest-2026.1")]


def test_a_stop_without_a_service_is_nothing(monkeypatch):
    monkeypatch.setattr(service, "_service", None)
    tasks.end()
    assert service._service is None, "none is started to be stopped"


def test_threads_take_turns_at_the_lock_and_lose_no_change(transactional_db, batch):
    def add():
        for _ in range(10):
            with changes.locked(batch.pk) as change:
                change.count("skipped", 1)
        changes.transaction.get_connection().close()

    adding_up = [threading.Thread(target=add) for _ in range(4)]
    for thread in adding_up:
        thread.start()
    for thread in adding_up:
        thread.join()
    batch.refresh_from_db()
    assert (batch.skipped, batch.version) == (40, 40)


def test_what_comes_next_is_looked_for_once_for_many_and_anew_at_a_bell(batch, make_cards, user):
    cards = make_cards(4)
    preparing = preparation.Preparation(lambda batch_id: None)
    assert preparing._next() == cards[0]
    with CaptureQueriesContext(connection) as asked:
        assert [preparing._next(), preparing._next()] == cards[1:3]
    assert len(asked) == 2
    other = Batch.objects.create(name="Started", owner=user, status=BatchStatus.RUNNING)
    first = Card.objects.create(batch=other, position=1, filename="1.jpg", source="1.jpg", sha256="0" * 64)
    preparing.wake()
    assert [preparing._next(), preparing._next(), preparing._next()] == [first, cards[3], None]
