"""The order of a draft's cards."""

from collections.abc import Callable

import pytest

from batches.actions import drafts, runs
from batches.intake import order
from batches.models import Batch, Card
from batches.states import BatchStatus

Make = Callable[..., list[Card]]


@pytest.fixture
def cards(batch: Batch, make_cards: Make) -> list[Card]:
    """Sent as 10, 1, 2."""
    made = make_cards(3)
    for card, name in zip(made, ("10.jpg", "1.jpg", "2.jpg"), strict=True):
        card.original_name = name
        card.save()
    return made


def names(batch: Batch) -> list[str]:
    return [card.original_name for card in batch.cards.order_by("position", "pk")]


def test_a_move_starts_from_the_natural_order(batch: Batch, cards: list[Card]):
    drafts.move_card(batch, cards[0], "up")
    assert names(batch) == ["1.jpg", "10.jpg", "2.jpg"]


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("1", ["10.jpg", "1.jpg", "2.jpg"]),
        ("2", ["1.jpg", "10.jpg", "2.jpg"]),
        ("3", ["1.jpg", "2.jpg", "10.jpg"]),
        ("99", ["1.jpg", "2.jpg", "10.jpg"]),
        ("0", ["10.jpg", "1.jpg", "2.jpg"]),
        ("down", ["1.jpg", "2.jpg", "10.jpg"]),
    ],
)
def test_a_card_goes_to_the_place_that_was_named(batch: Batch, cards: list[Card], to: str, expected: list[str]):
    drafts.move_card(batch, cards[0], to)
    assert names(batch) == expected
    assert sorted(batch.cards.values_list("position", flat=True)) == [1, 2, 3]


@pytest.mark.parametrize("to", ["", "first", "-1", "²", "1e3", "9" * 20])
def test_what_is_no_place_is_refused(batch: Batch, cards: list[Card], to: str):
    with pytest.raises(drafts.Refused):
        drafts.move_card(batch, cards[0], to)


def test_the_start_keeps_what_a_person_has_laid(batch: Batch, cards: list[Card], user: object):
    drafts.move_card(batch, cards[0], "1")
    Card.objects.create(batch=batch, position=4, filename="0.jpg", source="0.jpg", original_name="0.jpg")
    runs.start(batch, user)
    assert names(batch) == ["10.jpg", "1.jpg", "2.jpg", "0.jpg"]  # what comes later stands behind


def test_the_natural_order_comes_back(batch: Batch, cards: list[Card]):
    drafts.move_card(batch, cards[0], "1")
    order.settle_draft(batch)
    assert names(batch) == ["10.jpg", "1.jpg", "2.jpg"]
    drafts.order_cards(batch)
    assert names(batch) == ["1.jpg", "2.jpg", "10.jpg"]
    batch.refresh_from_db()
    assert not batch.order_by_hand


def test_a_started_batch_keeps_its_order(batch: Batch, cards: list[Card]):
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    with pytest.raises(drafts.BatchLocked):
        drafts.move_card(batch, cards[0], "1")
    with pytest.raises(drafts.BatchLocked):
        drafts.order_cards(batch)
