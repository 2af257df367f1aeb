"""Cards by a piece of text: by how words begin, and inside of words."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import changes
from batches.actions import reviewing
from batches.models import Batch, Card, CardResult, indexing
from batches.queries import grid
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
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


@pytest.mark.embedded
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


@pytest.mark.embedded
def test_tables_of_an_earlier_version_are_left_to_it(batch: Batch) -> None:
    class Migration:
        app_label = "batches"

    indexing.lay_aside(None, "default", [(Migration, True)])
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE batches_card DROP COLUMN folded_name")
        indexing.set_up(None, "default")
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'batches%'")
        assert cursor.fetchall() == []


@pytest.mark.embedded
@pytest.mark.parametrize(("text", "tables"), [("*akon", 2), ("hakon", 4), ("国立博物", 2)])
def test_what_is_looked_for_is_taken_from_an_index(batch: Batch, read: list[Card], text: str, tables: int) -> None:
    with CaptureQueriesContext(connection) as queries:
        grid.ids(batch, grid.Filters(text=text), 0, 50, count=1)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {queries[-1]['sql']}")
        plan = [row[-1] for row in cursor.fetchall()]
    assert sum("VIRTUAL TABLE INDEX" in step for step in plan) == tables
    gone_through = [step for step in plan if step.startswith("SCAN") and "VIRTUAL TABLE INDEX" not in step]
    few = ("INDEX card_failed", "INDEX card_given_up", "INDEX note_open", "SCAN why")
    assert [step for step in gone_through if not any(one in step for one in few)] == []


@pytest.fixture
def given_up(batch: Batch, read: list[Card], user: User) -> Card:
    """The first card: it was read, with a value and a name, and somebody cannot read it after all."""
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.COMPLETED)
    return reviewing.cannot_read(read[0], user, read[0].version, "Größe und Tinte: Wasserschäden!")


EVERYWHERE = ["wasserschaden", "größe tinte", "card-0001", "card tinte", "hakon", '"mosby st"']


@pytest.mark.parametrize("text", [*EVERYWHERE, "*asserschad", "*rosse und", "*ard-0001", "*osby", "*by st", "*ro"])
def test_a_card_that_was_given_up_is_found_by_its_note_its_name_and_what_was_read(
    batch: Batch, given_up: Card, text: str
) -> None:
    assert 1 in found(batch, text)


def test_why_a_card_was_not_read_is_followed(
    batch: Batch, read: list[Card], make_cards: Callable[..., list[Card]]
) -> None:
    card = make_cards(1)[0]
    with changes.locked(batch) as change:
        change.move_card(card, CardStatus.PROCESSING)
        change.move_card(card, CardStatus.FAILED, error="server", error_message="Le modèle s'est tû")
    assert found(batch, "modele") == found(batch, "*odele") == [7]
    with changes.locked(batch) as change:
        change.move_cards(batch.cards.filter(pk=card.pk), CardStatus.PENDING, error="", error_message="")
    assert found(batch, "modele") == found(batch, "*odele") == []


def test_a_reading_that_no_longer_holds_finds_no_card_that_is_read(batch: Batch, read: list[Card]) -> None:
    CardResult.objects.create(card=read[4], search="ole bull")
    assert found(batch, "bull") == found(batch, "*ull") == []


def test_a_card_is_found_by_its_note_until_that_is_closed(batch: Batch, read: list[Card], user: User) -> None:
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.COMPLETED)
    card = reviewing.flag(read[1], user, "Zweifelhafte Lesung")
    assert found(batch, "zweif") == found(batch, "*elhafte") == [2]
    reviewing.unflag(card, user)
    assert found(batch, "zweif") == found(batch, "*elhafte") == []
