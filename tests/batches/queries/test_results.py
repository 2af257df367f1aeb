from collections.abc import Callable
from typing import Any

import pytest
from django.template.loader import render_to_string
from pytest_django import DjangoAssertNumQueries

from batches.models import Batch, Card, FieldRevision
from batches.queries import results
from batches.states import CardStatus, SkipReason
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]


def only_row(batch: Batch, card: Card) -> results.Row:
    return results.rows(batch, [Card.objects.get(pk=card.pk)])[0]


@pytest.fixture
def read(make_cards: Make) -> Card:
    card = make_cards(1, CardStatus.COMPLETED, to_check=True)[0]
    fields = {
        "author": stored("Sibelius", confidence=0.41),
        "title": stored(None),
        "year": stored("1981", verbatim="'81", regions=[[0.1, 0.2, 0.3, 0.4]]),
    }
    give_result(card, fields)
    return card


def test_a_doubtful_value_says_why_in_words(batch: Batch, read: Card) -> None:
    author = only_row(batch, read).cells[0]
    assert author.value == "Sibelius"
    assert author.mark == "unsure, 41 %"
    assert author.doubts == ("The engine is not sure of “Author”.",)


def test_an_absent_value_and_what_stands_on_the_card(batch: Batch, read: Card) -> None:
    _author, title, year = only_row(batch, read).cells
    assert (title.kind, title.mark) == ("absent", "")
    assert (year.value, year.verbatim, year.mark) == ("1981", "'81", "")
    assert year.regions == (("10.00", "20.00", "30.00", "40.00"),)


def test_the_state_counts_the_fields_to_check(batch: Batch, read: Card) -> None:
    row = only_row(batch, read)
    assert (row.pill.word, row.marked, row.confidence) == ("Check 1 field", 1, "41 %")


def test_a_correction_keeps_the_machines_value_in_sight(batch: Batch, read: Card, user: User) -> None:
    assert read.result
    read.result.values["author"] = "Jean Sibelius"
    read.result.save()
    FieldRevision.objects.create(card=read, key="author", old="Sibelius", new="Jean Sibelius", by=user)
    author = only_row(batch, read).cells[0]
    assert (author.corrected, author.by, author.machine, author.mark) == (True, "Ingrid Solberg", "Sibelius", "")
    html = render_to_string("batches/_card_row.html", {"batch": batch, "row": only_row(batch, read)})
    assert "was:" in html
    assert "read by the machine" in html


def test_a_correction_of_an_earlier_reading_does_not_count(batch: Batch, read: Card, user: User) -> None:
    FieldRevision.objects.create(card=read, key="author", old="a", new="b", by=user)
    give_result(read, {"author": stored("Grieg")})
    assert not only_row(batch, read).cells[0].corrected


def test_a_corrected_value_of_another_kind_is_marked(batch: Batch, read: Card, user: User) -> None:
    assert read.result
    read.result.values["year"] = "long ago"
    read.result.save()
    FieldRevision.objects.create(card=read, key="year", old="1981", new="long ago", by=user)
    year = only_row(batch, read).cells[2]
    assert year.mark == "other kind"
    assert "(Year)" in year.doubts[0]


def test_nothing_is_marked_on_a_card_that_a_person_checked(batch: Batch, read: Card) -> None:
    Card.objects.filter(pk=read.pk).update(reviewed=True, to_check=False)
    row = only_row(batch, read)
    assert (row.pill.word, row.marked) == ("Checked", 0)


@pytest.mark.parametrize(
    ("status", "fields", "word", "note"),
    [
        (CardStatus.PENDING, {}, "Waiting", ""),
        (CardStatus.PROCESSING, {}, "Being read", ""),
        (CardStatus.CANCELLED, {}, "Stopped", ""),
        (CardStatus.SKIPPED, {"skip_reason": SkipReason.BLANK}, "Skipped", "blank"),
        (CardStatus.FAILED, {"error": "engine_timeout"}, "Not read", "The reading engine took too long to answer."),
        (CardStatus.COMPLETED, {}, "Read", ""),
        (CardStatus.COMPLETED, {"to_check": True}, "To check", ""),
    ],
)
def test_every_status_has_its_words(
    batch: Batch, make_cards: Make, status: CardStatus, fields: dict[str, Any], word: str, note: str
) -> None:
    card = make_cards(1, status, **fields)[0]
    row = only_row(batch, card)
    assert (row.pill.word, row.pill.note) == (word, note)
    assert {cell.kind for cell in row.cells} == {"nothing"}


def test_rows_cost_the_same_queries_however_many(
    batch: Batch, make_cards: Make, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for card in make_cards(30, CardStatus.COMPLETED, reviewed=True, reviewed_by=user):
        give_result(card, {"author": stored("Grieg")})
    cards = list(batch.cards.all())
    with django_assert_num_queries(3):  # results, people, corrections
        for row in results.rows(batch, cards):
            render_to_string("batches/_card_row.html", {"batch": batch, "row": row, "can_edit": True})


def test_hostile_values_stay_text(batch: Batch, make_cards: Make) -> None:
    card = make_cards(1, CardStatus.COMPLETED)[0]
    give_result(card, {"author": stored('<img src=x onerror="1">'), "title": stored("\u202egnp.exe")})
    html = render_to_string("batches/_card_row.html", {"batch": batch, "row": only_row(batch, card), "can_edit": True})
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
    assert "<bdi" in html


def test_a_valid_reading_without_any_value_says_so(batch: Batch, make_cards: Make) -> None:
    card = make_cards(1, CardStatus.COMPLETED, to_check=True)[0]
    give_result(card, {key: stored(None) for key in ("author", "title", "year")})
    assert only_row(batch, card).pill.word == "Nothing found"
    Card.objects.update(reviewed=True, to_check=False)
    assert only_row(batch, card).pill.word == "Checked"


def test_what_is_there_and_cannot_be_read_is_not_nothing(batch: Batch, make_cards: Make) -> None:
    card = make_cards(1, CardStatus.COMPLETED, to_check=True)[0]
    gone = stored(None, state="unreadable", issues=["unreadable"])
    give_result(card, {"author": gone, "title": stored(None), "year": stored(None)})
    assert only_row(batch, card).pill.word == "Check 1 field"


def test_the_entries_behind_the_first_one_are_shown_as_they_were_read(batch: Batch, read: Card) -> None:
    assert read.result
    assert results.further_entries(batch, read) == []
    read.result.entries = [
        read.result.fields,
        {"author": stored("Grieg", confidence=0.3), "title": stored(None)},
    ]
    (entry,) = results.further_entries(batch, read)
    assert [(cell.key, cell.kind, cell.value, cell.mark) for cell in entry.cells] == [
        ("author", "value", "Grieg", "unsure, 30 %"),
        ("title", "absent", "", ""),
        ("year", "absent", "", ""),
    ]


def test_the_row_tells_how_many_entries_there_are_and_counts_the_doubts_about_all(batch: Batch, read: Card) -> None:
    assert read.result
    assert only_row(batch, read).pill.note == ""
    unsure = {"author": stored("Grieg", confidence=0.3), "title": stored("x", confidence=0.2)}
    read.result.entries = [read.result.fields, unsure, {"author": stored("Sinding")}]
    read.result.save()
    row = only_row(batch, read)
    assert (row.pill.word, row.pill.note, row.marked) == ("Check 3 fields", "3 entries", 3)
    Card.objects.update(reviewed=True, to_check=False)
    assert only_row(batch, read).pill.word == "Checked"
