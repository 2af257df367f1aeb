from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from batches import changes
from batches.models import Batch, Card
from batches.states import BatchStatus, CardStatus

pytestmark = pytest.mark.django_db


def counts(batch):
    batch.refresh_from_db()
    return {str(status): getattr(batch, status) for status in CardStatus if getattr(batch, status)}


def test_each_visible_change_adds_one_to_the_version_and_stamps_the_rows(batch, make_cards):
    make_cards(2)
    before = batch.version
    changes.move_cards(batch, batch.cards.all(), CardStatus.SKIPPED)
    batch.refresh_from_db()
    assert batch.version == before + 1
    assert set(batch.cards.values_list("version", flat=True)) == {before + 1}


def test_an_invisible_change_has_no_version(batch):
    before = batch.version
    with changes.locked(batch):
        pass
    batch.refresh_from_db()
    assert batch.version == before


def test_nothing_is_written_where_the_transaction_fails(batch, card):
    def change_and_fail():
        with changes.locked(batch) as change:
            change.move_card(card, CardStatus.SKIPPED)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    card.refresh_from_db()
    assert card.status == CardStatus.PENDING
    assert counts(batch) == {"pending": 1}


def test_counters_follow_cards_one_by_one_and_many_at_once(batch, make_cards):
    cards = make_cards(5)
    with changes.locked(batch) as change:
        change.move_card(cards[0], CardStatus.SKIPPED)
        change.move_cards(batch.cards.filter(pk__in=[cards[1].pk, cards[2].pk]), CardStatus.PROCESSING)
    assert counts(batch) == {"pending": 2, "processing": 2, "skipped": 1}


def test_each_of_many_cards_gets_columns_of_its_own_and_one_that_may_not_go_is_left(batch, make_cards, user):
    cards = make_cards(4)
    changes.move_cards(batch, batch.cards.filter(pk=cards[3].pk), CardStatus.SKIPPED)
    cards[3].refresh_from_db()
    columns = [{"error": "one", "tries": 2}, {"tries": 3, "error": "two"}, {"finished_at": timezone.now()}, {}]
    with changes.locked(batch) as change:
        change.move_each(zip(cards, columns, strict=True), CardStatus.PROCESSING)
    rows = list(batch.cards.order_by("pk").values_list("status", "error", "tries"))
    assert rows == [("processing", "one", 2), ("processing", "two", 3), ("processing", "", 0), ("skipped", "", 0)]
    assert [card.tries for card in cards] == [2, 3, 0, 0]
    batch.refresh_from_db()
    assert [card.version for card in batch.cards.order_by("pk")[:3]] == [batch.version] * 3
    assert counts(batch) == {"processing": 3, "skipped": 1}


def test_flags_are_counted_once(batch, card):
    with changes.locked(batch) as change:
        card = Card.objects.get(pk=card.pk)
        change.move_card(card, CardStatus.COMPLETED, to_check=True)
        change.touch_card(card, to_check=False, reviewed=True)
    batch.refresh_from_db()
    assert (batch.to_check, batch.reviewed) == (0, 1)
    changes.move_cards(batch, batch.cards.all(), CardStatus.PENDING, to_check=False, reviewed=False)
    batch.refresh_from_db()
    assert (batch.to_check, batch.reviewed) == (0, 0)


def test_a_reviewed_card_that_is_to_be_checked_again_counts_as_to_check_alone(batch, card):
    with changes.locked(batch) as change:
        change.move_card(card, CardStatus.COMPLETED, reviewed=True)
        change.touch_card(card, to_check=True, candidates=1)
    batch.refresh_from_db()
    assert (batch.to_check, batch.reviewed, batch.check_again) == (1, 0, 1)
    with changes.locked(batch) as change:
        change.touch_card(card, to_check=False, candidates=0)
    batch.refresh_from_db()
    assert (batch.to_check, batch.reviewed, batch.check_again) == (0, 1, 0)


@pytest.mark.parametrize("one_by_one", [True, False])
def test_a_card_that_is_read_again_stands_in_no_count_of_flags_meanwhile(batch, make_cards, one_by_one):
    make_cards(3)
    changes.move_cards(batch, batch.cards.all(), CardStatus.COMPLETED, to_check=True, candidates=2)
    moving = batch.cards.order_by("pk")[:2]
    with changes.locked(batch) as change:
        if one_by_one:
            for card in moving:
                change.move_card(card, CardStatus.PENDING)
        else:
            change.move_cards(batch.cards.filter(pk__in=[card.pk for card in moving]), CardStatus.PENDING)
    batch.refresh_from_db()
    assert (batch.completed, batch.to_check, batch.check_again) == (1, 1, 1)
    changes.move_cards(batch, batch.cards.filter(status=CardStatus.PENDING), CardStatus.COMPLETED, candidates=0)
    batch.refresh_from_db()
    assert (batch.completed, batch.to_check, batch.check_again) == (3, 3, 1)


def test_many_cards_can_be_flagged_at_once(batch, make_cards):
    make_cards(2)
    changes.move_cards(batch, batch.cards.all(), CardStatus.COMPLETED, to_check=False, reviewed=True)
    batch.refresh_from_db()
    assert (batch.to_check, batch.reviewed) == (0, 2)


def test_cards_are_added_and_removed_with_their_counts(batch):
    with changes.locked(batch) as change:
        made = change.add_cards([Card(position=n, filename=f"{n}.jpg", source=f"{n}.jpg") for n in (1, 2)])
    assert counts(batch) == {"pending": 2}
    with changes.locked(batch) as change:
        change.remove_cards(made[:1])
    assert counts(batch) == {"pending": 1}
    assert batch.total == 1
    assert batch.reload_after == batch.version


def test_the_pace_ring_keeps_fifteen_minutes(batch):
    start = timezone.now().replace(second=0, microsecond=0)
    with changes.locked(batch) as change:
        for minute in range(20):
            change.keep_pace(start + minute * timedelta(minutes=1), 1)
            change.keep_pace(start + minute * timedelta(minutes=1, seconds=0), 2)
    batch.refresh_from_db()
    assert len(batch.pace) == 15
    assert {cards for _minute, cards in batch.pace} == {3}


def test_minutes_in_which_a_slow_call_ran_are_minutes_of_reading(batch):
    start = timezone.now().replace(second=40, microsecond=0)
    with changes.locked(batch) as change:
        change.keep_pace(start, 1, 5.0)
        change.keep_pace(start + timedelta(minutes=3), 1, 160.0)
        change.keep_pace(start + timedelta(minutes=9), 1, 5.0)  # nobody read in between
    batch.refresh_from_db()
    assert [cards for _minute, cards in batch.pace] == [1, 0, 0, 1, 1]


@pytest.mark.parametrize("status", [BatchStatus.QUEUED, BatchStatus.RUNNING, BatchStatus.PAUSED])
def test_a_started_batch_without_open_cards_is_finished(batch, make_cards, status):
    make_cards(1, CardStatus.FAILED)
    Batch.objects.filter(pk=batch.pk).update(status=status)
    with changes.locked(batch) as change:
        assert change.finish_if_done(timezone.now())
    batch.refresh_from_db()
    assert batch.status == BatchStatus.COMPLETED
    assert batch.finished_at is not None


def test_a_batch_is_not_finished_while_cards_wait_or_a_retry_is_under_way(batch, make_cards):
    card = make_cards(1)[0]
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    with changes.locked(batch) as change:
        assert not change.finish_if_done(timezone.now())
        change.move_card(card, CardStatus.SKIPPED)
        change.set(retry_upto=3)
        assert not change.finish_if_done(timezone.now())
        change.set(retry_upto=None)
        assert change.finish_if_done(timezone.now())


def test_a_draft_is_never_finished(batch):
    with changes.locked(batch) as change:
        assert not change.finish_if_done(timezone.now())


def test_costs_add_up(batch):
    for _ in range(2):
        with changes.locked(batch) as change:
            change.add_cost(Decimal("0.000125"))
            change.add_cost(Decimal("0.000125"))
    batch.refresh_from_db()
    assert batch.cost == Decimal("0.0005")


def test_viewers_are_told_after_the_commit_alone(batch, card, monkeypatch, django_capture_on_commit_callbacks):
    told = []
    monkeypatch.setattr(changes.events, "changed", told.append)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        changes.move_cards(batch, batch.cards.all(), CardStatus.SKIPPED)
        assert told == []
    assert told == [batch.pk]


def test_cards_on_which_nothing_was_found_are_counted_while_they_are_read(batch, card):
    with changes.locked(batch) as change:
        change.move_card(card, CardStatus.PROCESSING)
        change.move_card(card, CardStatus.COMPLETED, to_check=True, nothing_found=True)
    batch.refresh_from_db()
    assert (batch.to_check, batch.nothing_found) == (1, 1)
    changes.move_cards(batch, batch.cards.all(), CardStatus.PENDING)
    batch.refresh_from_db()
    assert (batch.to_check, batch.nothing_found) == (0, 0)
