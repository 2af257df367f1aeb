import pytest

from ocr.engines.local import types
from ocr.fields import FieldType


def texts(kind: FieldType, text: str) -> list[str]:
    return [found.text for found in types.find(kind, text)]


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("6-3-81.0-50m.", ["6-3-81"]),
        ("58°23'N - 8°49'E, 15-11-80", ["15-11-80"]),
        ("von Stoschrens 22/5-81 84(22)", ["22/5-81"]),
        ("20. april 1968", ["20. april 1968"]),
        ("27. sept. 1973", ["27. sept. 1973"]),
        ("april 1968", ["april 1968"]),
        ("Date acquired 14 March 1954", ["14 March 1954"]),
        ("March 14, 1954 and 1954-03-15", ["March 14, 1954", "1954-03-15"]),
        ("30. Juni 85 Stargard", ["30. Juni 85"]),
        ("31-2-81", []),
        ("nr. 135 of 1968", []),
        ("Reife 05", []),
    ],
)
def test_dates(text: str, dates: list[str]) -> None:
    assert texts(FieldType.DATE, text) == dates


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("60°111N-05°131E.", "60°11'N - 05°13'E"),
        ("50°40°N=4°00.43E", "50°40'N - 4°00.43'E"),
        ("58•23'N - 8•491E, 15-11-80", "58°23'N - 8°49'E"),
        ("56°N 01°40=W", "56°N - 01°40'W"),
        ("1°E-53°N?", "1°E - 53°N"),
        ("60°45'30\"N, 4°46'12\"E", "60°45'30\"N - 4°46'12\"E"),
        ("60.1833, -5.2167", "60.1833, -5.2167"),
    ],
)
def test_the_marks_of_coordinates_are_mended(text: str, mended: str) -> None:
    [found] = types.find(FieldType.COORDINATES, text)
    assert (found.text, found.sure) == (mended, True)


def test_impossible_coordinates_are_found_but_not_sure() -> None:
    [found] = types.find(FieldType.COORDINATES, "60°75'N - 5°13'E")
    assert not found.sure


def test_half_of_coordinates_is_none() -> None:
    assert texts(FieldType.COORDINATES, "9,2°C 60°45'N") == []


def test_years_have_four_digits_of_their_own() -> None:
    assert texts(FieldType.YEAR, "Bergen 1931. S. 12345, 1.1945, 2012") == ["1931", "2012"]


def test_identifiers_are_short_tokens_with_digits() -> None:
    text = "Zurich B.51.322.GB.384 2-5-49 60°11'N-05°13'E a-very-very-very-long-1"
    assert texts(FieldType.IDENTIFIER, text) == ["B.51.322.GB.384"]
    assert texts(FieldType.IDENTIFIER, "M12/407-") == ["M12/407"]


def test_numbers() -> None:
    assert texts(FieldType.INTEGER, "about -12 and 1.234 pp. x7") == ["-12", "1.234"]
    assert texts(FieldType.DECIMAL, "12,5 cm") == ["12,5"]


def test_any_text_is_of_the_other_types() -> None:
    assert types.find(FieldType.TEXT, "12-5-81") == []
    assert not types.has_finder(FieldType.MULTILINE)


def test_a_lone_number_does_not_tell_what_it_is() -> None:
    assert types.has_finder(FieldType.INTEGER)
    assert not types.tells(FieldType.INTEGER)
    assert types.tells(FieldType.DATE)
