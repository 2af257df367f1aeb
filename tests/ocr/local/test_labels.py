import pytest

from ocr.engines.local import labels
from ocr.fields import FieldSpec, FieldType, Hints
from tests.ocr.local.typed import fill, verbatim

AUTHOR = FieldSpec("author", "Author", hints=Hints(aliases=("Composer",)))
TITLE = FieldSpec("title", "Title")
PLACE = FieldSpec("place", "Place")
YEAR = FieldSpec("year", "Year", type=FieldType.YEAR)
NUMBER = FieldSpec("no", "Accession no.", type=FieldType.IDENTIFIER)
NOTES = FieldSpec("notes", "Notes", type=FieldType.MULTILINE)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Author: Halvorsen", ["author"]),
        ("Auth0r:Halvorsen", ["author"]),
        ("Composer. Halvorsen", ["author"]),
        ("Author", ["author"]),
        ("Author Halvorsen", ["author"]),
        ("AuthorHalvorsen", []),
        ("Authors note", []),
        ("Authority: none", []),
        ("Place: Bergen Year: 1931", ["place", "year"]),
        ("Place: Bergen Year 1931", ["place"]),
        ("The place: Bergen", ["place"]),
        ("Accessionno.: 5", ["no"]),
        ("Acces sion no: 5", ["no"]),
        ("Title: Place, the", ["title"]),
        (": .", []),
    ],
)
def test_labels_are_found(text: str, found: list[str]) -> None:
    wanted = labels.names((AUTHOR, TITLE, PLACE, YEAR, NUMBER, FieldSpec("odd", "§")))
    assert [label.key for label in labels.find(text, wanted)] == found


def test_the_value_stands_beside_its_label() -> None:
    card = ("Author: Halvorsen, Elin", "Title:|Seven Songs", "Place: Bergen|Year: 1931")
    assert verbatim((AUTHOR, TITLE, PLACE, YEAR), *card) == {
        "author": "Halvorsen, Elin",
        "title": "Seven Songs",
        "place": "Bergen",
        "year": "1931",
    }


def test_several_labels_on_one_line_part_it() -> None:
    assert verbatim((PLACE, YEAR, NUMBER), "Place: Bergen Year: 1931 Accession no.: 1954/318") == {
        "place": "Bergen",
        "year": "1931",
        "no": "1954/318",
    }


def test_the_value_may_stand_below() -> None:
    assert verbatim((PLACE, YEAR), "Place:|Year:", "Bergen|1931") == {"place": "Bergen", "year": "1931"}


def test_an_empty_label_does_not_take_the_next_ones_value() -> None:
    assert verbatim((TITLE, AUTHOR), "Title:", "Author: Halvorsen") == {"author": "Halvorsen"}
    assert verbatim((PLACE, YEAR), "Place:|Year: 1931") == {"year": "1931"}
    assert verbatim((TITLE,), "Title:") == {}
    assert verbatim((TITLE,), "Title:", "", "", "Bergen") == {}
    assert verbatim((PLACE, YEAR), "Place: Year: 1931", "Bergen") == {"year": "1931", "place": "Bergen"}


def test_the_first_of_two_equal_labels_counts() -> None:
    assert verbatim((PLACE,), "Place: Bergen", "Place: Oslo") == {"place": "Bergen"}


def test_a_long_title_runs_on_below_itself() -> None:
    card = ("Title: Harbour March", "       for Brass Band", "Place: Bergen")
    assert verbatim((TITLE, PLACE), *card) == {"title": "Harbour March for Brass Band", "place": "Bergen"}


def test_a_title_ends_where_the_next_line_is_not_indented() -> None:
    assert verbatim((TITLE,), "Title: Harbour March", "printed in Bergen") == {"title": "Harbour March"}


def test_lines_run_on_below_a_label_of_many_lines() -> None:
    card = ("Notes: bought at", "auction, torn", "", "Stamp of the house", "Year: 1931")
    assert verbatim((NOTES, YEAR), *card)["notes"] == "bought at\nauction, torn"
    assert verbatim((NOTES, YEAR), "Notes: bought", "torn", "Year: 1931") == {"notes": "bought\ntorn", "year": "1931"}
    assert verbatim((NOTES, YEAR), "Notes: bought", "   Year: 1931 gift") == {"notes": "bought", "year": "1931"}


def test_a_value_ends_at_until() -> None:
    notes = FieldSpec("notes", "Notes", type=FieldType.MULTILINE, hints=Hints(until="Stamp"))
    assert verbatim((notes,), "Notes: bought at", "auction. Stamp: B", "gone") == {"notes": "bought at\nauction."}
    assert verbatim((notes,), "Notes: bought Stamp: B", "gone") == {"notes": "bought"}
    assert verbatim((notes,), "Notes: bought at", "Stamp of the house") == {"notes": "bought at"}


def test_what_is_beside_a_label_but_not_of_its_type_is_kept_with_doubt() -> None:
    match = fill((YEAR,), "Year: unknown")["year"]
    assert (match.verbatim, match.confidence) == ("unknown", 0.5)


def test_a_bent_label_lowers_confidence() -> None:
    assert fill((AUTHOR,), "Author: H")["author"].confidence == 1
    assert fill((NUMBER,), "Acression no: 5")["no"].confidence == pytest.approx(20 / 22)


def test_a_labelled_identifier_is_all_that_stands_there() -> None:
    mark = FieldSpec("mark", "Shelfmark", type=FieldType.IDENTIFIER)
    assert verbatim((mark,), "Shelfmark: M 12.407") == {"mark": "M 12.407"}
    assert verbatim((mark,), "Shelfmark: see the printed list of the year M12") == {"mark": "M12"}


def test_a_labelled_choice_may_be_less_alike() -> None:
    sea = FieldSpec("sea", "Sea", type=FieldType.CHOICE, choices=("Nordsjøen", "Norskehavet"))
    match = fill((sea,), "Sea: Nordsitce")["sea"]
    assert (match.verbatim, match.text) == ("Nordsitce", "Nordsjøen")
    assert fill((sea,), "Sea: Baltic")["sea"].confidence == 0.5


def test_a_labelled_value_beside_an_open_list_is_taken_as_it_stands() -> None:
    sea = FieldSpec("sea", "Sea", type=FieldType.CHOICE, choices=("Nordsjøen", "Norskehavet"), open_list=True)
    assert fill((sea,), "Sea: Nordsitce")["sea"].text == "Nordsitce"
    assert fill((sea,), "Sea: NORD SJØEN")["sea"].text == "Nordsjøen"
    assert fill((sea,), "Sea: Baltic")["sea"].confidence == 1


def test_the_region_is_that_of_the_value() -> None:
    [box] = fill((PLACE,), "Place: Bergen")["place"].boxes
    assert box[0][0] == pytest.approx(70)
    assert box[1][0] == pytest.approx(130)
