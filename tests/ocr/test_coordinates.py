import pytest

from ocr import coordinates


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("50°40'N - 4°00.43E", "50°40'N - 4°00.43'E"),
        ("60°11'N - 05°13'E.", "60°11'N - 5°13'E"),
        ("60°11N-05°13E", "60°11'N - 5°13'E"),
        ("N 60°11' E 5°13'", "60°11'N - 5°13'E"),
        ("N60°11'E005°13'", "60°11'N - 5°13'E"),
        ("5°13'E 60°11'N", "60°11'N - 5°13'E"),
        ("60 11 N 5 13 E", "60°11'N - 5°13'E"),
        ("60°N 5°W", "60°00'N - 5°00'W"),
        ("60°11,5'N 5°13,25'E", "60°11.5'N - 5°13.25'E"),
        ("60°11'30\"N, 5°13'15\"E", "60°11.5'N - 5°13.25'E"),
        ("5°59'59.9\"S 5°59'59.9\"E", "6°00'S - 6°00'E"),
        ("60.1833N 5.2167E", "60°11'N - 5°13'E"),
        ("60.1833, -5.2167", "60°11'N - 5°13'W"),
        ("60° 11' n.Br., 5° 13' ö.L.", "60°11'N - 5°13'E"),
        ("47°22′ nördl. Br., 8°32′ östl. L.", "47°22'N - 8°32'E"),
        ("60°11'N 05°13'V", "60°11'N - 5°13'W"),
        ("60°11'N 05°13'Ø", "60°11'N - 5°13'E"),
        ("60°11′S; 05°13′ Ouest", "60°11'S - 5°13'W"),
    ],
)
def test_coordinates_take_one_form(text: str, canonical: str) -> None:
    assert coordinates.to_canonical(text) == canonical
    assert coordinates.to_canonical(canonical) == canonical


@pytest.mark.parametrize(
    "text",
    ["", "Oslo", "60°11'N", "60°11'N 5°13'N", "60°75'N - 4°00'E", "91°00'N - 4°00'E", "60°11'N - 181°00'E",
     "60°11'N 05°13'O", "60.5°30'N 5°E", "60°11.5'30\"N 5°13'E", "60°11'75\"N 5°13'E", "60 N 5 E", "60°11'X 5°13'E",
     "95.1833, 5.2167", "-60°11'N 5°13'E", "1" * 200, "60°11'N 5°13'E and more"],
)  # fmt: skip
def test_what_is_not_exactly_two_coordinates_is_none(text: str) -> None:
    assert coordinates.to_canonical(text) is None
