from collections.abc import Callable

import pytest
from django.http import QueryDict
from pytest_django import DjangoAssertNumQueries

from batches.models import Batch, Card
from batches.queries import grid
from batches.states import CardStatus
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]


def filters(batch: Batch, query: str) -> grid.Filters:
    return grid.Filters.from_query(QueryDict(query), batch)


def positions(batch: Batch, query: str) -> list[int]:
    asked = filters(batch, query)
    return [card.position for card in grid.in_order(batch, grid.ids(batch, asked, 0, None))]


@pytest.fixture
def four(batch: Batch, make_cards: Make) -> list[Card]:
    batch.fields = [*batch.fields, {"key": "copies", "label": "Copies", "type": "integer"}]
    batch.save()
    cards = make_cards(4, CardStatus.COMPLETED)
    for card, author, copies, confidence in zip(
        cards, ["Grieg", "ägren", None, "Ångström 100%"], ["10", "9", "many", None], [0.5, 0.9, 0.7, 0.8], strict=True
    ):
        give_result(card, {"author": stored(author, confidence=confidence), "copies": stored(copies)})
    return cards


def test_unknown_parts_of_an_address_are_left_out(batch: Batch) -> None:
    asked = filters(batch, "filter=x&sort=batch__owner__password&per=100000&q=%20a%00b%20")
    assert asked == grid.Filters(text="ab")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [1, 2, 3, 4]),
        ("sort=-position", [4, 3, 2, 1]),
        ("sort=confidence", [1, 3, 4, 2]),
        ("sort=-confidence", [2, 4, 3, 1]),
        ("sort=name", [1, 2, 3, 4]),
        ("sort=field.author", [1, 4, 2, 3]),
        ("sort=field.copies", [2, 1, 3, 4]),
        ("sort=-field.copies", [3, 1, 2, 4]),
        ("q=GRIEG", [1]),
        ("q=ÄGREN", [2]),
        ("q=100%25", [4]),
        ("q=0%25x", []),
        ("q=card-0003", [3]),
        ("q=angstrom", [4]),
        ("q=100+ångst", [4]),
        ("q=100+angstr", [4]),
        ("q=%22100+angstr%22", []),
        ("q=%22angstr%C3%B6m+10%22", [4]),
        ("q=rieg", []),
        ("q=*rieg", [1]),
        ("q=%22", []),
        ("q=AND", []),
        ("q=author:grieg", []),
        ("q=NEAR(", []),
        ("in=author&q=grieg", [1]),
        ("in=copies&q=grieg", []),
        ("in=author&q=AGREN", [2]),
        ("in=author&q=100+angstr", [4]),
        ("in=author&q=%22angstrom+100%22", [4]),
        ("in=author&q=*rieg", [1]),
        ("in=copies&q=100", []),
    ],
)
def test_order_and_text(batch: Batch, four: list[Card], query: str, expected: list[int]) -> None:
    assert positions(batch, query) == expected


def test_each_filter_gives_as_many_cards_as_its_counter_says(batch: Batch, make_cards: Make) -> None:
    make_cards(2, CardStatus.COMPLETED, to_check=True)
    make_cards(3, CardStatus.COMPLETED, reviewed=True)
    make_cards(1, CardStatus.COMPLETED, nothing_found=True)
    for status in (CardStatus.FAILED, CardStatus.SKIPPED, CardStatus.PENDING, CardStatus.CANCELLED):
        make_cards(2, status)
    batch.refresh_from_db()
    batch.to_check, batch.reviewed, batch.nothing_found = 2, 3, 1
    for name, number in grid.counts(batch).items():
        assert grid.narrowed(batch, grid.Filters(name=name)).count() == number, name


def test_a_page_is_not_counted(
    batch: Batch, make_cards: Make, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_cards(120)
    batch.refresh_from_db()
    with django_assert_num_queries(2):  # the numbers of the page's cards, the cards
        sheet = grid.page(batch, filters(batch, ""), "3")
    assert (sheet.number, sheet.pages, sheet.first, sheet.last) == (3, 3, 101, 120)
    assert [card.position for card in sheet.cards] == list(range(101, 121))


@pytest.mark.parametrize("asked", ["99", "0", "-1", "x", "9" * 30, "²", None])
def test_a_page_that_is_not_there_is_another(batch: Batch, make_cards: Make, asked: str | None) -> None:
    make_cards(3)
    batch.refresh_from_db()
    sheet = grid.page(batch, filters(batch, ""), asked)
    assert (sheet.number, len(sheet.cards)) == (1, 3)


def test_the_numbers_of_far_pages_are_left_out() -> None:
    assert grid.Sheet([], number=6, count=1000, per=50).shown == [1, None, 4, 5, 6, 7, 8, None, 20]
    assert grid.Sheet([], number=1, count=0, per=50).shown == [1]


def test_a_text_is_counted(batch: Batch, four: list[Card]) -> None:
    sheet = grid.page(batch, filters(batch, "q=grieg"), None)
    assert (sheet.count, len(sheet.cards)) == (1, 1)


@pytest.mark.parametrize("sort", ["", "sort=-confidence&", "sort=field.author&"])
def test_neighbours_follow_filter_and_order(batch: Batch, four: list[Card], sort: str) -> None:
    asked = filters(batch, f"{sort}q=.jpg")
    order = grid.ids(batch, asked, 0, None)
    for place, pk in enumerate(order):
        found = grid.neighbours(batch, asked, Card.objects.get(pk=pk))
        assert found.previous == (order[place - 1] if place else None)
        assert found.next == (order[place + 1] if place + 1 < len(order) else None)


def test_a_card_outside_the_filter_has_neighbours_too(batch: Batch, four: list[Card]) -> None:
    assert grid.neighbours(batch, filters(batch, "q=ägren"), four[0]) == grid.Neighbours(None, four[1].pk)
    assert grid.neighbours(batch, filters(batch, "q=ägren&sort=-name"), four[0]).next == four[1].pk


def test_the_address_keeps_what_differs_from_the_usual(batch: Batch) -> None:
    asked = filters(batch, "filter=check&q=a+b&sort=-name&per=100")
    assert asked.query(page="2") == "filter=check&q=a+b&sort=-name&per=100&page=2"
    assert asked.query(filter="") == "q=a+b&sort=-name&per=100"
    assert filters(batch, "").query() == ""
    assert asked.turned("name") == "name"
    assert asked.turned("confidence") == "confidence"
    assert filters(batch, "sort=name").turned("name") == "-name"
