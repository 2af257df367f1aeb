import csv
import io
import json
from collections.abc import Callable

import pytest
from django.utils import timezone

from batches import exports
from batches.exports import rows
from batches.exports.csv import safe
from batches.models import Batch, Card, CardResult
from batches.states import CardStatus
from cardocr_site.accounts.models import User


def read(batch: Batch, **options: object) -> list[dict[str, str]]:
    text = b"".join(exports.FORMATS["csv"].write(batch, exports.Options(**options))).decode()  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(text), delimiter=str(options.get("delimiter", ","))))


def give(card: Card, **values: str | None) -> CardResult:
    fields = {
        key: {"verbatim": f"{value}!", "value": value, "state": "value", "confidence": 0.9, "regions": [], "issues": []}
        for key, value in values.items()
    }
    result = CardResult.objects.create(
        card=card, fields=fields, values=values, confidence=0.9, transcription="all of it", engine_name="stub"
    )
    Card.objects.filter(pk=card.pk).update(result=result, finished_at=timezone.now())
    return result


@pytest.fixture
def read_card(make_cards: Callable[..., list[Card]]) -> Card:
    card = make_cards(1, CardStatus.COMPLETED)[0]
    give(card, author="Grieg", title='Våren; "Spring",\nop. 33', year="1881")
    return card


def test_every_card_has_its_row_whatever_its_status(
    batch: Batch, read_card: Card, make_cards: Callable[..., list[Card]]
) -> None:
    for status in (CardStatus.PENDING, CardStatus.FAILED, CardStatus.SKIPPED, CardStatus.CANCELLED):
        make_cards(1, status, error="engine_timeout" if status == CardStatus.FAILED else "")
    table = read(batch)
    assert [row["status"] for row in table] == ["completed", "pending", "failed", "skipped", "cancelled"]
    assert [bool(row["error"]) for row in table] == [False, False, True, False, False]
    head = ["card_id", "file", "status", "error", "Author", "Title", "Year", "confidence", "transcription"]
    assert list(table[0]) == head


def test_values_survive_separators_quotes_and_line_ends(batch: Batch, read_card: Card) -> None:
    for delimiter in (",", ";"):
        row = read(batch, delimiter=delimiter)[0]
        assert (row["Author"], row["Title"], row["Year"]) == ("Grieg", 'Våren; "Spring",\nop. 33', "1881")
        assert (row["confidence"], row["transcription"]) == ("0.90", "all of it")


def test_a_byte_order_mark_stands_first_where_it_is_asked_for(batch: Batch, read_card: Card) -> None:
    write = exports.FORMATS["csv"].write
    assert next(iter(write(batch, exports.Options(bom=True)))).startswith(b"\xef\xbb\xbfcard_id")
    assert next(iter(write(batch, exports.Options()))).startswith(b"card_id")


def test_the_text_on_the_card_may_stand_beside_the_value_or_alone(batch: Batch, read_card: Card) -> None:
    both = read(batch, form="both")[0]
    assert (both["Author"], both["Author (as on the card)"]) == ("Grieg", "Grieg!")
    assert read(batch, form="verbatim")[0]["Author"] == "Grieg!"


@pytest.mark.parametrize(
    "text", ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "|calc", "=cmd|' /C calc'!A0"]
)
def test_no_cell_is_taken_for_a_formula(text: str) -> None:
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5.3", "+47 2", "1881", "60°11'N", "", "a=b", "Grieg - Spring"])
def test_numbers_and_plain_text_stay_as_they_are(text: str) -> None:
    assert safe(text) == text


def test_a_file_name_that_starts_like_a_formula_is_harmless(batch: Batch, card: Card) -> None:
    Card.objects.filter(pk=card.pk).update(original_name="=1+1.jpg", page=2)
    assert read(batch)[0]["file"] == "'=1+1.jpg#2"


def test_json_tells_all_that_is_known(batch: Batch, read_card: Card, make_cards: Callable[..., list[Card]]) -> None:
    make_cards(1, CardStatus.FAILED, error="engine_timeout", error_message="120 s")
    data = json.loads(b"".join(exports.FORMATS["json"].write(batch, exports.Options())))
    first, second = data["cards"]
    assert data["batch"]["name"] == "Drawer 12"
    assert first["values"]["author"] == "Grieg"
    assert first["fields"]["author"]["verbatim"] == "Grieg!"
    assert first["confidence"] == {"author": 0.9, "title": 0.9, "year": 0.9}
    assert second["error"]["code"] == "engine_timeout"
    assert second["values"] == {"author": None, "title": None, "year": None}


def test_json_of_a_batch_without_cards_is_json(batch: Batch) -> None:
    assert json.loads(b"".join(exports.FORMATS["json"].write(batch, exports.Options())))["cards"] == []


def test_the_first_row_comes_before_the_last_card_is_read_from_the_database(
    batch: Batch, make_cards: Callable[..., list[Card]], django_assert_num_queries: Callable[..., object]
) -> None:
    make_cards(rows.PAGE * 2 + 1)
    made = exports.FORMATS["csv"].write(batch, exports.Options())
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        next(iter(made)), next(iter(made))
    with django_assert_num_queries(2):  # type: ignore[attr-defined]
        left = list(made)
    assert len(left) == rows.PAGE * 2
    assert len(set(left)) == len(left)


def test_cards_that_share_a_position_are_neither_lost_nor_doubled(
    batch: Batch, make_cards: Callable[..., list[Card]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cards(7)
    batch.cards.update(position=1)
    monkeypatch.setattr(rows, "PAGE", 2)
    found = [card.pk for card in rows.cards(batch)]
    assert found == sorted(batch.cards.values_list("pk", flat=True))


def test_the_file_is_named_after_the_batch(batch: Batch) -> None:
    assert exports.filename(batch, "csv") == f"{batch.uid}.csv"
    batch.label = "Drawer_12_2026-11-21_10-00_abc"
    assert exports.filename(batch, "json") == "Drawer_12_2026-11-21_10-00_abc.json"


def test_who_has_checked_a_card_stands_last_where_it_is_asked_for(batch: Batch, read_card: Card, user: User) -> None:
    assert read(batch, checked=True)[0]["checked_by"] == ""
    Card.objects.filter(pk=read_card.pk).update(reviewed=True, reviewed_by=user)
    assert list(read(batch, checked=True)[0])[-1] == "checked_by"
    assert read(batch, checked=True)[0]["checked_by"] == "ingrid"
    assert "checked_by" not in read(batch)[0]


def test_a_corrected_value_stands_for_the_text_on_the_card_too(batch: Batch, read_card: Card) -> None:
    result = CardResult.objects.get()
    CardResult.objects.filter(pk=result.pk).update(values=result.values | {"author": "Grieg, Edvard", "title": None})
    row = read(batch, form="both")[0]
    assert (row["Author"], row["Author (as on the card)"]) == ("Grieg, Edvard", "Grieg, Edvard")
    assert (row["Title"], row["Title (as on the card)"]) == ("", "")
    assert row["Year (as on the card)"] == "1881!"
