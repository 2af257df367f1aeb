from dataclasses import replace

import pytest

from ocr.fields import FieldSpec, FieldType, Hints
from tests.ocr.local.typed import fill, verbatim

SEA = FieldSpec("sea", "Sea", type=FieldType.CHOICE, choices=("Nordsjøen", "Norskehavet"))
DATE = FieldSpec("date", "Sampled", type=FieldType.DATE, hints=Hints(avoid=("rens", "")))
PLACE = FieldSpec("coordinates", "Coordinates", type=FieldType.COORDINATES)
NUMBER = FieldSpec("number", "Card", type=FieldType.IDENTIFIER)
STATION = FieldSpec("station", "Station", hints=Hints(keywords=("Mosby", "Sars")))


def test_without_a_hint_a_text_without_a_label_stays_empty() -> None:
    assert verbatim((FieldSpec("locality", "Locality"),), "Norddeich", "Kyst") == {}


def test_a_card_without_text_has_no_values() -> None:
    assert fill((SEA, DATE, NUMBER, STATION)) == {}


def test_a_bent_heading_is_the_entry_of_the_list() -> None:
    match = fill((SEA,), "1978", "NORD SIOEN")["sea"]
    assert (match.verbatim, match.text, match.confidence) == ("NORD SIOEN", "Nordsjøen", 0.95)


def test_a_spelling_is_the_entry_and_an_abbreviation_only_to_the_letter() -> None:
    sea = replace(SEA, spellings=(("Nordsjøen", ("North Sea", "N.S.O.")),))
    assert fill((sea,), "1978", "NORTH SEE")["sea"].text == "Nordsjøen"
    assert fill((sea,), "1978", "N S O")["sea"].text == "Nordsjøen"
    assert "sea" not in fill((sea,), "1978", "NSD")


def test_the_first_heading_counts_unless_the_last_is_asked_for() -> None:
    last = FieldSpec("sea", "Sea", choices=SEA.choices, hints=Hints(position="last"))
    assert fill((SEA,), "Norskehavet", "Nordsjøen")["sea"].text == "Norskehavet"
    assert fill((last,), "Norskehavet", "Nordsjøen")["sea"].text == "Nordsjøen"


def test_a_list_is_no_choice_of_one() -> None:
    listed = FieldSpec("seas", "Seas", type=FieldType.LIST, choices=SEA.choices)
    assert verbatim((listed,), "Nordsjøen") == {}
    assert verbatim((listed,), "Seas: Nordsjøen; Norskehavet") == {"seas": "Nordsjøen; Norskehavet"}


def test_a_date_beside_a_word_to_avoid_is_not_taken() -> None:
    assert verbatim((DATE,), "Nordsjøen", "8-5-79", "Raskrens 20-9-79") == {"date": "8-5-79"}
    assert verbatim((DATE,), "Nordsjøen", "Raskrens|20-9-79") == {}


def test_one_candidate_is_surer_than_several() -> None:
    assert fill((DATE,), "8-5-79")["date"].confidence == 0.95
    assert fill((DATE,), "8-5-79", "9-5-79")["date"].confidence == 0.8


def test_a_keyword_chooses_among_dates() -> None:
    born = FieldSpec("born", "Birth", type=FieldType.DATE, hints=Hints(keywords=("geb.",)))
    assert verbatim((born,), "15. Juni 1920", "geb. 30. Juni 1885") == {"born": "30. Juni 1885"}


def test_coordinates_and_a_date_share_a_line() -> None:
    card = ("Nordsjøen", "58•23'N - 8•491E, 15-11-80")
    assert verbatim((DATE, PLACE), *card) == {"date": "15-11-80", "coordinates": "58°23'N - 8°49'E"}


def test_coordinates_may_stand_in_two_segments() -> None:
    match = fill((PLACE,), "56°N|01°40=W")["coordinates"]
    assert match.verbatim == "56°N - 01°40'W"
    assert len(match.boxes) == 2


def test_but_not_across_the_card() -> None:
    assert verbatim((PLACE,), "56°N|" + " " * 40 + "01°40=W") == {}


def test_impossible_coordinates_are_given_with_doubt() -> None:
    assert fill((PLACE,), "60°75'N - 5°13'E")["coordinates"].confidence == pytest.approx(0.95 * 0.5)
    assert fill((PLACE,), "60°75'N - 5°13'E", "60°15'N - 5°13'E")["coordinates"].verbatim == "60°15'N - 5°13'E"


def test_an_identifier_is_the_number_nearest_the_top() -> None:
    assert verbatim((NUMBER,), "Nordsjøen", "1090", "sample no. 1") == {"number": "1090"}


def test_a_pattern_goes_before_the_type() -> None:
    number = FieldSpec(
        "number", "Card", type=FieldType.IDENTIFIER, pattern=r"^\d{4}$", hints=Hints(position="top_left")
    )
    assert verbatim((number,), "Nordsjøen 81|1090", "2024 of them", "1812") == {"number": "1812"}
    gear = FieldSpec("gear", "Gear", pattern=r"(?i)håvtrekk[^.]*|x*")
    assert verbatim((gear,), "fra moloen. Håvtrekk 0-lm. 9,7°C") == {"gear": "Håvtrekk 0-1m"}


def test_a_pattern_that_cannot_be_used_finds_nothing() -> None:
    assert verbatim((FieldSpec("gear", "Gear", pattern="("),), "Håvtrekk") == {}


def test_a_keyword_takes_its_clause() -> None:
    assert verbatim((STATION,), "Nordsjøen", "H. Mosby st.l,") == {"station": "H. Mosby st.1"}
    assert verbatim((STATION,), "fra moloen. G.0.Sars St.1260.") == {"station": "G.O.Sars St.1260"}
    assert fill((STATION,), "G.O.Sars")["station"].confidence == 0.9


def test_a_keyword_does_not_override_what_a_value_must_look_like() -> None:
    year = FieldSpec("depth", "Depth", type=FieldType.INTEGER, hints=Hints(keywords=("dyp",)))
    assert verbatim((year,), "dyp ukjent", "4 m dyp") == {"depth": "4"}


def test_a_keyword_points_to_a_bent_heading() -> None:
    sea = FieldSpec("sea", "Sea", choices=SEA.choices, hints=Hints(keywords=("Nords",)))
    assert fill((sea,), "Nordsitce")["sea"].text == "Nordsjøen"


def test_until_ends_a_clause() -> None:
    gear = FieldSpec("gear", "Gear", hints=Hints(keywords=("Håvtrekk",), until="9,2"))
    assert verbatim((gear,), "Håvtrekk, 0-1m, 25μ. 9,2°C") == {"gear": "Håvtrekk, 0-1m, 25μ"}
    nothing = FieldSpec("gear", "Gear", hints=Hints(keywords=("Håvtrekk",), until="Håvtrekk"))
    assert verbatim((nothing,), "Håvtrekk 5") == {}


@pytest.mark.parametrize(
    ("position", "value"), [("first", "Papastratigakis"), ("last", "Lyon Th"), ("top_left", "Papastratigakis")]
)
def test_a_place_on_the_card_gives_the_line_up_to_its_first_mark(position: str, value: str) -> None:
    surname = FieldSpec("author", "Surname", hints=Hints(position=position))
    match = fill((surname,), "Papastratigakis, Constantin.", "Spirochète", "Lyon Th: méd")["author"]
    assert (match.verbatim, match.confidence) == (value, 0.6)


def test_until_goes_before_the_first_mark() -> None:
    author = FieldSpec("author", "Surname", hints=Hints(position="first", until=" --"))
    assert verbatim((author,), "Nowak, Theo. -- Winkel") == {"author": "Nowak, Theo"}


def test_what_another_field_has_taken_is_gone() -> None:
    author = FieldSpec("author", "Surname", hints=Hints(position="first"))
    assert verbatim((author, NUMBER), "1090", "Nowak, Theo") == {"number": "1090", "author": "Nowak"}
    assert verbatim((author, NUMBER), "1090") == {"number": "1090"}


def test_a_text_of_many_lines_is_the_rest_of_the_card() -> None:
    body = FieldSpec("body", "Text", type=FieldType.MULTILINE, hints=Hints(position="first"))
    assert verbatim((NUMBER, body), "1090", "Bensersiel,", "fra moloen.") == {
        "number": "1090",
        "body": "Bensersiel\nfra moloen",
    }


def test_a_place_does_not_override_what_a_value_must_look_like() -> None:
    depth = FieldSpec("depth", "Depth", type=FieldType.INTEGER, hints=Hints(position="last"))
    assert verbatim((depth,), "Nordsjøen", "4 m") == {"depth": "4"}
    assert verbatim((depth,), "4 m", "Nordsjøen") == {}


def test_confidence_starts_from_the_lines_score() -> None:
    from ocr.engines.local import matching
    from ocr.engines.local.rows import group
    from tests.ocr.local.typed import line

    card = group([line("56°N", 0, 0, 0.9), line("01°40'W", 60, 0, 0.6)])
    letters = len("56°N") * 0.9 + len("01°40'W") * 0.6
    assert matching.fill((PLACE,), card)["coordinates"].confidence == pytest.approx(0.95 * letters / 11)
