"""One order over the cards of several batches: the same whichever way they are found, whole from any place in it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from batches.models import Batch, Card, CardResult
from batches.queries import collections, grid, merging, sorting
from batches.states import CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import read_batch, stored

pytestmark = pytest.mark.django_db
# What stands there for the author, of the three batches; the second one has no such field on its cards.
AUTHORS = (["Grieg", "10", None, "zz", "9"], [None, None], ["grieg", "Backer", "", "9", "-3.5"])
IN_ORDER = ["3.5", "1.5", "3.4", "1.2", "3.2", "1.1", "3.1", "1.4"]  # numbers, then texts; of what is equal the older's
WITHOUT = ["1.3", "2.1", "2.2", "3.3"]


@pytest.fixture
def three(user: User) -> list[Batch]:
    """Their place in the collection is another one than that of their making."""
    fields = [{"key": "author", "label": "Author", "type": "text"}]
    made = [
        read_batch(user, name, [{"author": stored(author)} for author in authors], fields=fields)
        for authors, name in zip(AUTHORS, ("B", "C", "A"), strict=True)
    ]
    return [made[2], made[0], made[1]]


def named(batches: Sequence[Batch], ids: Sequence[int]) -> list[str]:
    """As 2.1: the first card of the second batch that was made."""
    number = {pk: place for place, pk in enumerate(sorted(batch.pk for batch in batches), 1)}
    cards = Card.objects.in_bulk(ids)
    return [f"{number[cards[pk].batch_id]}.{cards[pk].position}" for pk in ids]


def shown(batches: Sequence[Batch], query: dict[str, str], per: int = 50) -> list[str]:
    """Page after page."""
    asked = grid.Filters.from_query(query, collections.whole("Music", batches))
    count = sum(collections.numbers(batches, asked).values())
    order = merging.Merged(batches, asked, count)
    return named(batches, [pk for start in range(0, count, per) for pk in order.ids(start, start + per)])


@pytest.mark.parametrize("few", [0, sorting.FEW])
@pytest.mark.parametrize("most", [1, merging.MOST])
@pytest.mark.parametrize("query", [{}, {"filter": "read"}, {"q": "jpg"}, {"below": "99"}])
def test_values_stand_in_one_order_however_they_are_found(
    three: list[Batch], monkeypatch: pytest.MonkeyPatch, few: int, most: int, query: dict[str, str]
) -> None:
    monkeypatch.setattr(sorting, "FEW", few)
    monkeypatch.setattr(merging, "MOST", most)
    CardResult.objects.update(confidence=0.5)
    for per in (50, 3):
        assert shown(three, query | {"sort": "field.author"}, per) == IN_ORDER + WITHOUT
        assert shown(three, query | {"sort": "-field.author"}, per) == IN_ORDER[::-1] + WITHOUT


def test_cards_are_sorted_by_how_sure_the_engine_was(three: list[Batch]) -> None:
    CardResult.objects.update(confidence=None)
    for batch, position, sure in ((three[0], 2, 0.4), (three[1], 1, 0.9), (three[2], 2, 0.1)):
        CardResult.objects.filter(card__batch=batch, card__position=position).update(confidence=sure)
    assert shown(three, {"sort": "confidence"}, 4)[:4] == ["2.2", "3.2", "1.1", "1.2"]
    assert shown(three, {"sort": "-confidence"})[:4] == ["1.1", "3.2", "2.2", "1.2"]


@pytest.mark.parametrize("most", [1, merging.MOST])
def test_cards_are_sorted_by_their_files_and_by_what_became_of_them(
    three: list[Batch], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(merging, "MOST", most)
    by_name = ["3.1", "3.2", "3.3", "3.4", "3.5", "1.1", "1.2", "1.3", "1.4", "1.5", "2.1", "2.2"]
    assert shown(three, {"sort": "name"}, 3) == by_name
    assert shown(three, {"sort": "-name"}, 3) == by_name[::-1]
    Card.objects.filter(position=2).update(status=CardStatus.FAILED)
    assert shown(three, {"sort": "-status"})[:3] == ["3.2", "2.2", "1.2"]


def test_the_usual_order_is_turned_as_a_whole(three: list[Batch]) -> None:
    def positions(sort: str, page: str) -> list[str]:
        asked = replace(grid.Filters(sort=sort), per=5)
        return named(
            three, [card.pk for card in collections.page(three, asked, collections.numbers(three, asked), page).cards]
        )

    usual = ["3.1", "3.2", "3.3", "3.4", "3.5", "1.1", "1.2", "1.3", "1.4", "1.5", "2.1", "2.2"]
    assert [one for page in "123" for one in positions("position", page)] == usual
    assert [one for page in "123" for one in positions("-position", page)] == usual[::-1]
