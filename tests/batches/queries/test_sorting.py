"""The order by values: whole, from any place in it, and in step with whatever is written."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from batches.actions import cards as acts
from batches.models import Batch, Card, CardResult, CardValue, indexing
from batches.queries import grid, sorting
from batches.states import CardStatus
from tests.batches.reading import give_result, stored

pytestmark = pytest.mark.django_db
AUTHORS = ["Grieg", "10", "9", None, "grieg", "", "-3.5", "1.", "12a", None, "9", "Ø", "zz", "1.2.3"]
IN_ORDER = [7, 3, 11, 2, 8, 14, 9, 1, 5, 13, 12]  # numbers, then texts; of what is equal the first


@pytest.fixture
def many(batch: Batch, make_cards: Callable[..., list[Card]]) -> list[Card]:
    cards = make_cards(len(AUTHORS), CardStatus.COMPLETED)
    for card, author in zip(cards, AUTHORS, strict=True):
        give_result(card, {"author": stored(author)})
    return cards


def positions(batch: Batch, keys: list[int]) -> list[int]:
    return [card.position for card in grid.in_order(batch, keys)]


@pytest.mark.parametrize("few", [0, sorting.FEW])
@pytest.mark.parametrize("query", [{}, {"filter": "read"}, {"q": "card"}])
@pytest.mark.parametrize("down", ["", "-"])
def test_the_order_is_the_same_from_wherever_one_looks(
    batch: Batch, many: list[Card], monkeypatch: pytest.MonkeyPatch, few: int, query: dict[str, str], down: str
) -> None:
    monkeypatch.setattr(sorting, "FEW", few)
    batch.refresh_from_db()
    batch.completed = len(many)
    asked = grid.Filters.from_query({"sort": f"{down}field.author", **query}, batch)
    whole = grid.ids(batch, asked, 0, None)
    assert positions(batch, whole) == (IN_ORDER[::-1] if down else IN_ORDER) + [4, 6, 10]
    assert [pk for start in range(0, 15, 4) for pk in grid.ids(batch, asked, start, start + 4)] == whole
    order = grid.by_value(batch, asked)
    assert order is not None
    for place, pk in enumerate(whole):
        card = Card.objects.get(pk=pk)
        assert order.near(card, 3, 4) == (whole[max(0, place - 3) : place], whole[place + 1 : place + 5]), place
        assert order.ahead(card, 100) == place
        assert order.ahead(card, 2) == min(place, 2)


def kept(card: Card) -> dict[str, tuple[float, str]]:
    return {one.key: (one.number, one.text) for one in CardValue.objects.filter(card=card)}


def test_a_correction_another_reading_and_an_end_are_followed(batch: Batch, many: list[Card]) -> None:
    card = Card.objects.get(pk=many[0].pk)
    person = get_user_model().objects.create_user("anna")
    assert kept(card)["author"] == (indexing.TEXT_AFTER_NUMBERS, "grieg")
    acts.correct(card, person, card.version, {"author": "17"})
    assert kept(card)["author"] == (17.0, "17")
    other = CardResult.objects.create(card=card, values={"author": "Sinding"}, confidence=0.25)
    assert kept(card)["author"] == (17.0, "17")
    Card.objects.filter(pk=card.pk).update(result=other)
    assert kept(card) == {"author": (indexing.TEXT_AFTER_NUMBERS, "sinding"), indexing.SURE: (0.25, "")}
    Card.objects.filter(pk=card.pk).update(result=None)
    assert kept(card) == {}
    Card.objects.filter(pk=many[1].pk).delete()
    assert not CardValue.objects.filter(card_id=many[1].pk).exists()


def found(batch: Batch, text: str) -> list[int]:
    return positions(batch, grid.ids(batch, grid.Filters(text=text), 0, None))


def test_words_are_found_as_soon_as_they_are_written_and_no_longer(batch: Batch, many: list[Card]) -> None:
    card = Card.objects.get(pk=many[0].pk)
    person = get_user_model().objects.create_user("anna")
    acts.correct(card, person, card.version, {"author": "Sinding"})
    assert found(batch, "sinding") == [1]
    assert found(batch, "Grieg") == [5]
    CardResult.objects.filter(card=many[4]).delete()
    assert found(batch, "grieg") == []
    CardResult.objects.create(card=many[2], search="ole bull")  # a reading that does not hold
    assert found(batch, "bull") == []


def test_what_was_laid_aside_is_set_up_with_everything_in_it(many: list[Card]) -> None:
    before = sorted(CardValue.objects.values_list("card", "batch", "position", "key", "number", "text"))

    def triggers() -> set[Any]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'batches%'"
                if connection.vendor == "sqlite"
                else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'batches%%'"
            )
            return {name for (name,) in cursor.fetchall()}

    all_of_them = triggers()

    class Migration:
        app_label = "batches"

    indexing.lay_aside(None, "default", [(Migration, False)])
    assert triggers() == set()
    CardResult.objects.filter(card=many[0]).update(search="moved meanwhile", values={"author": "Moved"})
    indexing.set_up(None, "default")
    assert triggers() == all_of_them
    after = sorted(CardValue.objects.values_list("card", "batch", "position", "key", "number", "text"))
    assert [row for row in after if row not in before] == [
        (many[0].pk, many[0].batch_id, 1, "author", indexing.TEXT_AFTER_NUMBERS, "moved")
    ]
    assert found(many[0].batch, "meanwhile") == [1]
    assert found(many[0].batch, "grieg") == [5]
