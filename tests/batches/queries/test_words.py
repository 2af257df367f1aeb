"""Cards by a piece of text: by how words begin, and inside of words."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import changes
from batches.models import Batch, Card, CardResult, indexing
from batches.queries import grid
from batches.states import CardStatus
from tests.batches.reading import give_result, stored

pytestmark = pytest.mark.django_db
PLACES = ["Håkon Mosby st. 1", 'Große "Straße"', "東京国立博物館", "Ærøskøbing", "Mos", None]


@pytest.fixture
def read(batch: Batch, make_cards: Callable[..., list[Card]]) -> list[Card]:
    cards = make_cards(len(PLACES), CardStatus.COMPLETED)
    for card, place in zip(cards, PLACES, strict=True):
        give_result(card, {"place": stored(place)})
    return cards


def found(batch: Batch, text: str) -> list[int]:
    cards = grid.in_order(batch, grid.ids(batch, grid.Filters(text=text), 0, None))
    return [card.position for card in cards]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("*akon", [1]),
        ("*ÅKON", [1]),
        ("*n mosb", [1]),
        ("*osb", [1]),
        ("*mos", [1, 5]),
        ("*os", [1, 2, 5]),  # fewer letters than the index has in a part
        ("*trasse", [2]),
        ("*traße", [2]),
        ('*e "str', [2]),
        ("*ærøsk", [4]),
        ("国立博物", [3]),
        ("国立", [3]),
        ("*mosb' OR 'x", []),
        ("Straße", [2]),
        ("strasse", [2]),
        ("große straß", [2]),
        ("mosb hakon", [1]),
        ('"hakon mos"', [1]),
    ],
)
def test_text_is_found_whatever_its_accents_and_case(
    batch: Batch, read: list[Card], text: str, wanted: list[int]
) -> None:
    assert found(batch, text) == wanted


def test_all_parts_may_stand_there_though_the_text_does_not(batch: Batch, read: list[Card]) -> None:
    give_result(read[5], {"place": stored("abcd bcde")})
    assert found(batch, "*abcd") == [6]
    assert found(batch, "*abcde") == []


def test_names_are_looked_into_too_and_followed(batch: Batch, read: list[Card]) -> None:
    with changes.locked(batch) as change:
        change.touch_card(read[0], original_name="Kästen/Straße 0815.jpg")
    assert found(batch, "*asten/str") == found(batch, "*rasse 081") == found(batch, "kasten straße") == [1]
    assert found(batch, "*ard-0001") == []
    with changes.locked(batch) as change:
        change.add_cards([Card(position=7, filename="7.jpg", source="7.jpg", original_name="Nächstes.jpg")])
    assert found(batch, "*achstes") == [7]


def test_a_correction_is_followed_inside_of_words(batch: Batch, read: list[Card]) -> None:
    CardResult.objects.filter(card=read[0]).update(search="sinding")
    assert (found(batch, "*akon"), found(batch, "*indin")) == ([], [1])
    CardResult.objects.filter(card=read[0]).delete()
    assert found(batch, "*indin") == []


def test_what_an_earlier_version_has_written_is_folded_and_indexed(batch: Batch, read: list[Card]) -> None:
    class Migration:
        app_label = "batches"

    indexing.lay_aside(None, "default", [(Migration, False)])
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {indexing.PARTS}")
    CardResult.objects.filter(card=read[0]).update(search="håkon mosby")
    Card.objects.filter(pk=read[1].pk).update(original_name="Kästen.jpg", folded_name="")
    indexing.set_up(None, "default")
    assert found(batch, "*akon") == found(batch, "hakon") == [1]
    assert found(batch, "*asten") == [2]


@pytest.mark.parametrize("text", ["*akon", "hakon", "国立博物"])
def test_what_is_looked_for_is_taken_from_an_index(batch: Batch, read: list[Card], text: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        grid.ids(batch, grid.Filters(text=text), 0, 50, count=1)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[-1]['sql']}")
        plan = [row[-1] for row in cursor.fetchall()]
    assert sum("VIRTUAL TABLE INDEX" in step for step in plan) == 2
    assert [step for step in plan if step.startswith("SCAN") and "VIRTUAL TABLE INDEX" not in step] == []
