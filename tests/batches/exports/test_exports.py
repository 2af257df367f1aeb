import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.conf import settings
from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from batches import exports
from batches.exports import rows, xlsx
from batches.exports.table import safe
from batches.models import Batch, Card, CardResult, CardScan
from batches.queries import grid
from batches.states import CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import stored


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
    head = ["card_id", "version", "file", "status", "error", "Author", "Title", "Year", "confidence", "transcription"]
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
    found = [card.pk for card in rows.cards(batch, exports.Options())]
    assert found == sorted(batch.cards.values_list("pk", flat=True))


def test_the_file_is_named_after_the_batch(batch: Batch) -> None:
    assert exports.filename(batch, "csv") == f"{batch.uid}.csv"
    batch.label = "Drawer_12_2026-11-21_10-00_abc"
    assert exports.filename(batch, "json") == "Drawer_12_2026-11-21_10-00_abc.json"


def test_who_has_checked_a_card_stands_last_where_it_is_asked_for(batch: Batch, read_card: Card, user: User) -> None:
    besides = exports.options.USUAL | {"checked"}
    assert read(batch, besides=besides)[0]["checked_by"] == ""
    assert read(batch, besides=besides)[0]["checked"] == "no"
    Card.objects.filter(pk=read_card.pk).update(reviewed=True, reviewed_by=user)
    assert list(read(batch, besides=besides)[0])[-1] == "checked_by"
    assert read(batch, besides=besides)[0]["checked_by"] == "ingrid"
    assert "checked_by" not in read(batch)[0]


def test_a_corrected_value_stands_for_the_text_on_the_card_too(batch: Batch, read_card: Card) -> None:
    result = CardResult.objects.get()
    CardResult.objects.filter(pk=result.pk).update(values=result.values | {"author": "Grieg, Edvard", "title": None})
    row = read(batch, form="both")[0]
    assert (row["Author"], row["Author (as on the card)"]) == ("Grieg, Edvard", "Grieg, Edvard")
    assert (row["Title"], row["Title (as on the card)"]) == ("", "")
    assert row["Year (as on the card)"] == "1881!"


@pytest.fixture
def several(batch: Batch, make_cards: Callable[..., list[Card]]) -> Card:
    """A card with two entries, one on which nothing was found, and one that failed, of a batch that asks for all."""
    Batch.objects.filter(pk=batch.pk).update(
        options={"multiple_entries": True, "describe_pictures": True, "summarize": True}
    )
    batch.refresh_from_db()
    card, empty = make_cards(2, CardStatus.COMPLETED)
    make_cards(1, CardStatus.FAILED, error="reply_looping")
    result = give(card, author="Grieg", title="Peer Gynt", year="1876")
    result.entries = [result.fields, {"author": stored("Sinding", verbatim="SINDING"), "title": stored("=Rustle")}]
    result.pictures, result.summary = "A stamp.", "=Two works."
    result.save()
    nothing = give(empty, author=None, title=None, year=None)
    nothing.entries = []
    nothing.save()
    return card


def test_each_entry_has_a_row_of_its_own_with_the_cards_columns_repeated(batch: Batch, several: Card) -> None:
    table = read(batch)
    assert list(table[0])[:6] == ["card_id", "version", "file", "entry", "status", "error"]
    assert [row["entry"] for row in table] == ["1", "2", "", ""]
    assert [row["Author"] for row in table] == ["Grieg", "Sinding", "", ""]
    assert [row["Title"] for row in table] == ["Peer Gynt", "'=Rustle", "", ""]
    assert [row["status"] for row in table] == ["completed", "completed", "completed", "failed"]
    assert table[0]["card_id"] == table[1]["card_id"] == str(several.pk)
    assert table[0]["summary"] == table[1]["summary"] == "'=Two works."
    assert table[0]["pictures"] == table[1]["pictures"] == "A stamp."


def test_the_text_as_on_the_card_follows_its_entry(batch: Batch, several: Card) -> None:
    table = read(batch, form="both")
    assert [row["Author (as on the card)"] for row in table[:2]] == ["Grieg!", "SINDING"]
    CardResult.objects.filter(card=several).update(values={"author": "Grieg, Edvard", "title": None, "year": None})
    table = read(batch, form="both")
    assert [row["Author"] for row in table[:2]] == ["Grieg, Edvard", "Sinding"]
    assert [row["Author (as on the card)"] for row in table[:2]] == ["Grieg, Edvard", "SINDING"]


def test_a_batch_of_single_entries_has_no_column_for_them(batch: Batch, read_card: Card) -> None:
    assert not {"entry", "pictures", "summary"} & set(read(batch)[0])


def test_json_has_all_entries_the_pictures_and_the_summary(batch: Batch, several: Card) -> None:
    told = json.loads(b"".join(exports.FORMATS["json"].write(batch, exports.Options())))
    card, nothing, failed = told["cards"]
    assert [entry["values"]["author"] for entry in card["entries"]] == ["Grieg", "Sinding"]
    assert card["entries"][1]["fields"]["author"]["verbatim"] == "SINDING"
    assert (card["pictures"], card["summary"]) == ("A stamp.", "=Two works.")
    assert (nothing["entries"], failed["entries"]) == ([], None)
    assert told["batch"]["options"]["summarize"] is True


def test_the_json_says_which_part_of_which_file_a_card_is_and_what_its_back(batch: Batch, read_card: Card) -> None:
    back = CardScan.objects.create(card=read_card, role=CardScan.Role.BACK, source="b.jpg", sha256="b" * 64)
    Card.objects.update(source="sheet.jpg", crop=[5, 6, 70, 80], back=back)
    told = json.loads(b"".join(exports.FORMATS["json"].write(batch, exports.Options())))["cards"][0]
    assert (told["image"]["source"], told["image"]["region"]) == ("sheet.jpg", [5, 6, 70, 80])
    assert told["back"]["sha256"] == "b" * 64


def test_columns_are_chosen_one_by_one_and_named_by_key(batch: Batch, read_card: Card) -> None:
    columns = frozenset({("author", "verbatim"), ("year", "value"), ("year", "verbatim")})
    row = read(batch, columns=columns, besides=frozenset(), keys=True)[0]
    assert list(row) == ["card_id", "version", "author_verbatim", "year", "year_verbatim"]
    assert (row["author_verbatim"], row["year"]) == ("Grieg!", "1881")
    alone = read(batch, columns=columns, besides=frozenset())[0]
    assert list(alone)[2:] == ["Author", "Year", "Year (as on the card)"]


def test_what_the_machine_read_first_and_by_what_can_be_taken_along(batch: Batch, read_card: Card) -> None:
    CardResult.objects.update(values={"author": "Grieg, Edvard", "title": None, "year": None}, model="m-1")
    row = read(batch, besides=frozenset({"engine", "machine"}))[0]
    assert (row["Author"], row["Author (as the machine read it)"]) == ("Grieg, Edvard", "Grieg")
    assert (row["engine"], row["model"]) == ("stub", "m-1")


def test_several_entries_may_stand_in_one_row(batch: Batch, several: Card) -> None:
    table = read(batch, joined=True)
    assert [row["Author"] for row in table] == ["Grieg | Sinding", "", ""]
    assert "entry" not in table[0]


def test_what_cannot_be_read_is_marked_where_it_is_asked_for(batch: Batch, read_card: Card) -> None:
    result = CardResult.objects.get()
    result.fields["year"] |= {"state": "unreadable", "value": None}
    result.values["year"] = None
    result.save()
    assert read(batch)[0]["Year"] == ""
    assert read(batch, unreadable=True)[0]["Year"] == "[?]"


def test_the_guard_against_formulas_can_be_switched_off(batch: Batch, read_card: Card) -> None:
    CardResult.objects.update(values={"author": "=1+1", "title": None, "year": None})
    assert read(batch)[0]["Author"] == "'=1+1"
    assert read(batch, guard=False)[0]["Author"] == "=1+1"


@pytest.mark.parametrize(
    ("which", "more", "found"),
    [
        ("all", {}, [0, 1, 2, 3]),
        ("read", {}, [0, 1, 2]),
        ("checked", {}, [1]),
        ("changed", {"since": 5}, [2]),
        ("found", {"filters": grid.Filters(name="problems")}, [3]),
        ("chosen", {"filters": (0, 3)}, [0, 3]),
    ],
)
def test_the_cards_are_chosen(
    batch: Batch, make_cards: Callable[..., list[Card]], which: str, more: dict[str, object], found: list[int]
) -> None:
    cards = [*make_cards(3, CardStatus.COMPLETED), *make_cards(1, CardStatus.FAILED)]
    Card.objects.filter(pk=cards[1].pk).update(reviewed=True)
    Card.objects.filter(pk=cards[2].pk).update(version=6)
    if which == "chosen":
        more = {"filters": grid.Filters(cards=tuple(cards[n].pk for n in (0, 3)))}
    assert [row["card_id"] for row in read(batch, which=which, **more)] == [str(cards[n].pk) for n in found]


def workbook(batch: Batch, **options: object) -> Any:
    made = b"".join(exports.FORMATS["xlsx"].write(batch, exports.Options(**options)))  # type: ignore[arg-type]
    return openpyxl.load_workbook(io.BytesIO(made))


def test_a_workbook_holds_text_alone_under_a_frozen_head(batch: Batch, read_card: Card) -> None:
    null = "\x00" if connection.vendor == "sqlite" else ""  # PostgreSQL keeps none
    values = {"author": "=1+1", "title": f"a{null}b\x1f<i>&", "year": "0123"}
    CardResult.objects.update(values=values)
    Card.objects.update(original_name="http://example.org/=x.jpg")
    book = workbook(batch, guard=False)
    sheet = book["Cards"]
    head, row = list(sheet.iter_rows(values_only=True))
    told = dict(zip(head, row, strict=True))
    assert (told["Author"], told["Title"], told["Year"]) == ("=1+1", "ab<i>&", "0123")
    assert {cell.data_type for cell in sheet[2] if cell.value is not None} == {"s"}
    assert sheet.freeze_panes == "B2"
    assert not sheet._hyperlinks
    assert not list(Path(settings.DATA_DIR).glob("tmp*"))  # nothing is left behind


def test_the_second_sheet_says_what_the_columns_are(batch: Batch, read_card: Card) -> None:
    about = list(workbook(batch, form="both", unreadable=True)["About"].iter_rows(values_only=True))
    facts = {line[0]: line[1] for line in about}
    assert (facts["batch"], facts["rows"], facts["rows with status completed"]) == ("Drawer 12", "1", "1")
    assert facts["unreadable text"] == "[?]"
    assert ("Author (as on the card)", "author") in [line[:2] for line in about]
    assert "apostrophe" in facts["formulas in CSV"]


def test_a_sheet_that_is_full_is_told_and_not_cut_off(
    batch: Batch, make_cards: Callable[..., list[Card]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_cards(3)
    monkeypatch.setattr(xlsx, "MOST", 3)
    with pytest.raises(xlsx.TooManyRows):
        workbook(batch)


def test_json_lines_are_one_card_each(batch: Batch, read_card: Card, make_cards: Callable[..., list[Card]]) -> None:
    make_cards(1)
    lines = b"".join(exports.FORMATS["jsonl"].write(batch, exports.Options())).decode().splitlines()
    told = [json.loads(line) for line in lines]
    assert [(one["batch"], one["values"]["author"]) for one in told] == [("Drawer 12", "Grieg"), ("Drawer 12", None)]


def test_plain_text_has_the_whole_text_and_the_values_of_each_card(batch: Batch, several: Card) -> None:
    text = b"".join(exports.FORMATS["txt"].write(batch, exports.Options(which="read"))).decode()
    first, second = text.split("\n\n")[:2]
    assert f"(card {several.pk}, version" in first
    assert first.splitlines()[1:] == [
        "all of it", "Author: Grieg", "Title: Peer Gynt", "Year: 1876", "Author: Sinding", "Title: =Rustle",
    ]  # fmt: skip
    assert second.splitlines()[1:] == ["all of it"]


def test_options_go_into_an_address_and_back(batch: Batch) -> None:
    options = exports.Options(
        which="checked", form="both", columns=frozenset({("author", "value"), ("year", "verbatim")}),
        besides=frozenset({"file", "machine"}), keys=True, joined=True, unreadable=True, guard=False,
        delimiter="\t", bom=True,
    )  # fmt: skip
    query = QueryDict(exports.options.settings_of(options, "xlsx"))
    assert exports.options.from_query(query, batch) == options
    assert query["format"] == "xlsx"
    other = QueryDict("columns=1&value=nothing-of-this-batch")
    assert exports.options.from_query(other, batch).columns is None


def test_a_field_called_status_is_not_taken_for_the_cards_own(batch: Batch, read_card: Card) -> None:
    batch.fields[0]["label"] = "status"
    about = list(workbook(batch, besides=frozenset({"file"}))["About"].iter_rows(values_only=True))
    assert not [line for line in about if str(line[0]).startswith("rows with status")]
    about = list(workbook(batch)["About"].iter_rows(values_only=True))
    assert ("rows with status completed", "1") in [line[:2] for line in about]


def test_a_filter_is_not_narrowed_by_cards_that_were_ticked_besides(
    batch: Batch, make_cards: Callable[..., list[Card]]
) -> None:
    cards = make_cards(2, CardStatus.COMPLETED)
    filters = grid.Filters(cards=(cards[1].pk,))
    assert len(read(batch, which="found", filters=filters)) == 2
    assert len(read(batch, which="chosen", filters=filters)) == 1
