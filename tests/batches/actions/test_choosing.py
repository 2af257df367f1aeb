"""Which cards are read: chosen before the start, and the rest taken later."""

from collections.abc import Callable
from typing import Any

import pytest

from batches import changes
from batches.actions import cards as card_actions
from batches.actions import choosing, drafts, pairs, runs
from batches.drain import blocks, duplicates
from batches.models import Batch, Card
from batches.queries import choosing as listed
from batches.states import BatchStatus, CardStatus, SkipReason

Make = Callable[..., list[Card]]
LEFT_OUT = {"skip_reason": SkipReason.NOT_CHOSEN}


def fresh(batch: Batch) -> Batch:
    return Batch.objects.get(pk=batch.pk)


def standing(batch: Batch) -> dict[str, int]:
    """The counters, which must be what the cards say."""
    batch = fresh(batch)
    counted = {
        "pending": batch.cards.filter(status=CardStatus.PENDING).count(),
        "skipped": batch.cards.filter(status=CardStatus.SKIPPED).count(),
        "blank": batch.cards.filter(status=CardStatus.SKIPPED, skip_reason="blank").count(),
        "not_chosen": batch.cards.filter(status=CardStatus.SKIPPED, skip_reason="not_chosen").count(),
    }
    assert {name: getattr(batch, name) for name in counted} == counted
    return {name: number for name, number in counted.items() if number}


def keys(cards: list[Card]) -> list[int]:
    return [card.pk for card in cards]


def test_cards_are_left_out_and_taken_again(batch: Batch, make_cards: Make) -> None:
    cards = make_cards(4)
    choosing.set_each(batch, [], keys(cards[:3]))
    assert standing(batch) == {"pending": 1, "skipped": 3, "not_chosen": 3}
    choosing.set_each(batch, keys(cards[:1]), [])
    assert standing(batch) == {"pending": 2, "skipped": 2, "not_chosen": 2}
    assert Card.objects.get(pk=cards[0].pk).skip_reason == ""
    assert fresh(batch).version == 2


def test_cards_of_other_batches_are_left_alone(batch: Batch, make_cards: Make) -> None:
    card = make_cards(1)[0]
    other = Batch.objects.create(owner=batch.owner, name="other")
    choosing.set_each(other, [], [card.pk])
    assert standing(batch) == {"pending": 1}


def test_who_ticks_a_blank_scan_says_that_it_is_not(batch: Batch, make_cards: Make) -> None:
    card = make_cards(1, CardStatus.SKIPPED, skip_reason="blank", blank=True, prepared_at="2026-11-01T10:00Z")[0]
    choosing.set_each(batch, [card.pk], [])
    card.refresh_from_db()
    assert (card.status, card.blank, card.prepared_at) == (CardStatus.PENDING, False, None)
    assert standing(batch) == {"pending": 1}


def test_all_takes_no_blank_ones_unless_they_are_meant(batch: Batch, make_cards: Make) -> None:
    make_cards(2)
    make_cards(2, CardStatus.SKIPPED, skip_reason="blank", blank=True)
    choosing.set_all(batch, batch.cards.all(), chosen=False)
    assert standing(batch) == {"skipped": 4, "blank": 2, "not_chosen": 2}
    choosing.set_all(batch, batch.cards.all(), chosen=True)
    assert standing(batch) == {"pending": 2, "skipped": 2, "blank": 2}
    blank = listed.found(batch, listed.Filters("blank"))
    choosing.set_all(batch, blank, chosen=True, blank_too=True)
    assert standing(batch) == {"pending": 4}


def test_what_was_found_to_be_blank_meanwhile_is_passed_over(batch: Batch, make_cards: Make) -> None:
    make_cards(1, CardStatus.SKIPPED, blank=True, **LEFT_OUT)
    make_cards(1, CardStatus.SKIPPED, **LEFT_OUT)
    choosing.set_all(batch, batch.cards.all(), chosen=True)
    assert standing(batch) == {"pending": 1, "skipped": 1, "blank": 1}


def test_ten_thousand_cards_cost_as_many_statements_as_ten(
    batch: Batch, make_cards: Make, django_assert_max_num_queries: Any
) -> None:
    make_cards(10_000)
    wanted = listed.Filters(text="card-0")
    with django_assert_max_num_queries(12):
        choosing.set_all(batch, listed.found(batch, wanted), chosen=False)
    assert standing(batch) == {"pending": 9_001, "skipped": 999, "not_chosen": 999}


def test_a_started_batch_is_chosen_from_no_more(batch: Batch, make_cards: Make) -> None:
    card = make_cards(1)[0]
    changes.move_batch(batch, BatchStatus.QUEUED)
    with pytest.raises(drafts.BatchLocked):
        choosing.set_each(batch, [], [card.pk])
    with pytest.raises(drafts.BatchLocked):
        choosing.set_all(batch, batch.cards.all(), chosen=False)


def test_a_batch_starts_with_what_is_chosen(batch: Batch, make_cards: Make) -> None:
    make_cards(2, CardStatus.SKIPPED, **LEFT_OUT)
    with pytest.raises(runs.CannotStart, match="at least one card"):
        runs.start(batch, batch.owner)
    make_cards(1)
    started = runs.start(batch, batch.owner)
    assert (started.status, started.pending, started.not_chosen) == (BatchStatus.QUEUED, 1, 2)


# -- the rest, later


@pytest.fixture
def finished(batch: Batch, make_cards: Make) -> Batch:
    """Two cards read, five left out."""
    make_cards(2, CardStatus.COMPLETED)
    make_cards(5, CardStatus.SKIPPED, **LEFT_OUT)
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d", started_at="2026-11-01T10:00Z")
    return fresh(batch)


def test_the_rest_is_read_by_a_batch_that_was_over(finished: Batch) -> None:
    assert choosing.read_rest(finished) == 5
    assert standing(finished) == {"pending": 5}
    assert fresh(finished).status == BatchStatus.QUEUED
    assert choosing.read_rest(finished) == 0


def test_some_of_the_rest_are_read(finished: Batch) -> None:
    some = list(finished.cards.filter(status=CardStatus.SKIPPED).values_list("pk", flat=True)[:2])
    read = finished.cards.get(position=1).pk
    assert choosing.read_rest(finished, [*some, read]) == 2
    assert standing(finished) == {"pending": 2, "skipped": 3, "not_chosen": 3}
    assert Card.objects.get(pk=read).status == CardStatus.COMPLETED


def test_a_paused_batch_stays_paused(finished: Batch) -> None:
    Batch.objects.update(status=BatchStatus.PAUSED, pause_reason="person")
    choosing.read_rest(finished)
    assert (fresh(finished).status, fresh(finished).pending) == (BatchStatus.PAUSED, 5)


def test_a_large_rest_goes_in_blocks(finished: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 2)
    assert choosing.read_rest(finished) == 5
    assert standing(finished) == {"pending": 5}


def test_what_was_left_out_for_another_reason_stays_out(finished: Batch, make_cards: Make) -> None:
    make_cards(1, CardStatus.SKIPPED, skip_reason="person")
    assert choosing.read_rest(finished) == 5
    assert standing(finished) == {"pending": 5, "skipped": 1}


def test_the_rest_is_looked_for_among_earlier_readings(finished: Batch) -> None:
    """The start has passed them over; without this they would be paid for a second time."""
    assert finished.compared_upto is None
    choosing.read_rest(finished)
    assert fresh(finished).compared_upto == 2  # the first of the rest stands third
    assert duplicates.due(finished.pk) == [finished.pk]


def test_a_single_card_is_looked_for_among_them_too(finished: Batch) -> None:
    card_actions.read_after_all(finished.cards.get(position=4))
    assert fresh(finished).compared_upto == 3


def test_no_rest_is_read_where_no_call_may_be_made(finished: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.budgets, "used_up", lambda batch, engine: "The limit is reached.")
    with pytest.raises(runs.CannotStart):
        choosing.read_rest(finished)
    assert standing(finished) == {"skipped": 5, "not_chosen": 5}


def test_a_draft_has_no_rest(batch: Batch, make_cards: Make) -> None:
    make_cards(1, CardStatus.SKIPPED, **LEFT_OUT)
    with pytest.raises(changes.TransitionRefused):
        choosing.read_rest(batch)


def test_the_back_of_a_card_that_was_left_out_is_left_out_with_it(batch: Batch, make_cards: Make) -> None:
    make_cards(4, prepared_at="2026-11-01T10:00Z")
    pairs.apply(batch, "order")
    choosing.set_each(batch, [], [batch.cards.get(position=1).pk])
    pairs.part(batch)
    assert standing(batch) == {"pending": 2, "skipped": 2, "not_chosen": 2}
