from collections.abc import Callable

import pytest

from batches.models import Batch, Card
from batches.queries import lists
from batches.states import BatchStatus
from cardocr_site.accounts.models import User


def test_the_bar_adds_up(batch: Batch) -> None:
    batch.total, batch.completed, batch.to_check, batch.failed, batch.skipped = 200, 100, 20, 10, 10
    batch.status = BatchStatus.RUNNING
    row = lists.row(batch)

    assert row.percent == 60
    assert row.meter == lists.Meter("45.0", "45.0", "10.0", "55.0", "5.0", paused=False)


def test_the_bar_of_an_empty_batch_is_empty(batch: Batch) -> None:
    assert lists.row(batch).percent == 0
    assert lists.row(batch).meter.done == "0.0"


def test_a_paused_batch_has_a_paused_bar(batch: Batch) -> None:
    batch.status = BatchStatus.PAUSED

    assert lists.row(batch).meter.paused


def test_a_row_shows_the_first_scan_that_can_be_opened(batch: Batch, make_cards: Callable[..., list[Card]]) -> None:
    make_cards(1, error="unreadable_image", prepared_at="2026-11-01T10:00Z")
    make_cards(1)
    good = make_cards(2, prepared_at="2026-11-01T10:00Z", rotation=90)[0]
    row = lists.with_first_card(Batch.objects.all()).get()

    assert (row.first_card, row.first_rotation) == (good.pk, 90)  # type: ignore[attr-defined]


def test_owners_and_collections_are_those_of_the_batches_one_sees(batch: Batch, user: User, other_user: User) -> None:
    Batch.objects.create(name="His", owner=other_user, collection="Maps", everybody="none")
    visible = Batch.objects.visible_to(user)

    assert lists.collections(visible) == ["Music"]
    assert lists.owners(visible) == [("ingrid", "Ingrid Solberg")]


def test_the_trash_holds_ones_own(batch: Batch, user: User, other_user: User, administrator: User) -> None:
    Batch.objects.update(deleted_at="2026-11-01T10:00Z")

    assert [lists.trash_of(person) for person in (user, other_user, administrator)] == [1, 0, 1]


@pytest.mark.parametrize("query", [{}, {"q": " \x00"}, {"state": "nonsense", "sort": "nonsense"}])
def test_a_filter_that_says_nothing_is_none(query: dict[str, str]) -> None:
    assert lists.Filters.from_query(query) == lists.Filters()
