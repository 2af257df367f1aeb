import math

import pytest

from ocr.engines.local import rows
from ocr.engines.local.rows import Box, Line, Point
from tests.ocr.local.typed import box, line


def tilted(box: Box, degrees: float) -> Box:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return tuple((x * cos - y * sin, x * sin + y * cos) for x, y in box)


def texts(lines: list[Line]) -> list[list[str]]:
    return [[segment.text for segment in row] for row in rows.group(lines)]


def test_lines_side_by_side_are_a_row() -> None:
    lines = [line("Year: 1931", 200, 42), line("Author: Halvorsen", 0, 0), line("Place: Bergen", 0, 40)]
    assert texts(lines) == [["Author: Halvorsen"], ["Place: Bergen", "Year: 1931"]]


def test_lines_above_each_other_are_not() -> None:
    assert texts([line("Norddeich", 0, 0), line("Kyst", 0, 8)]) == [["Norddeich"], ["Kyst"]]


@pytest.mark.parametrize("degrees", [-9.0, 5.0])
def test_a_crooked_card_is_straightened_first(degrees: float) -> None:
    lines = [line("Place: Bergen", 0, 100), line("Year: 1931", 900, 100), line("Shelfmark: M 12", 0, 135)]
    crooked = [Line(each.text, each.score, tilted(each.box, degrees)) for each in lines]
    assert texts(crooked) == [["Place: Bergen", "Year: 1931"], ["Shelfmark: M 12"]]


def test_the_skew_is_that_of_the_long_lines() -> None:
    lines = [Line("a long line of text", 1, tilted(box(0, 0, 400), 4)), Line("1", 1, tilted(box(0, 90, 30), -30))]
    assert rows.skew(lines) == pytest.approx(math.radians(4))


def test_without_a_wide_line_there_is_no_skew() -> None:
    assert rows.skew([Line("1", 1, box(0, 0, 10, 20))]) == 0
    assert rows.group([]) == []


def test_a_part_of_a_segment_has_its_share_of_the_box() -> None:
    [[segment]] = rows.group([line("Sea: Nordsjøen", 100, 50)])
    part = segment.part(5, 14)
    assert part.text == "Nordsjøen"
    assert (part.left, part.right) == (pytest.approx(150), pytest.approx(240))
    assert part.box[0] == (pytest.approx(150), 50)
    assert part.box[2] == (pytest.approx(240), 70)


def test_a_part_begins_where_its_characters_were_seen() -> None:
    """A narrow label and a wide value: the box of the value begins between the two."""
    middles = (0.02, 0.06, 0.1, 0.15, 0.25, 0.45, 0.65, 0.85)
    [[segment]] = rows.group([Line("Sea Kyst", 1, box(100, 50, 200), middles)])
    part = segment.part(4, 8)
    assert (part.left, part.right) == (pytest.approx(130), pytest.approx(300))
    assert segment.part(0, 3).right == pytest.approx(130)
    assert segment.part(5, 8).left == pytest.approx(170)
    assert segment.part(0, 8).left == 100


@pytest.mark.parametrize(("rotation", "corner"), [(0, (10, 20)), (90, (250, 10)), (180, (150, 250)), (270, (20, 150))])
def test_a_box_turns_with_its_image(rotation: int, corner: Point) -> None:
    """An image of 200 by 300 with a box 40 wide and 30 high at (10, 20)."""
    turned = rows.turn(box(10, 20, 40, 30), rotation, 200, 300)
    assert turned[0] == corner
    across = turned[1][0] - turned[0][0]
    assert (across, turned[3][1] - turned[0][1]) == ((40, 30) if rotation in (0, 180) else (30, 40))


def test_four_quarter_turns_lead_back() -> None:
    start = box(10, 20, 40, 30)
    once = rows.turn(start, 90, 200, 300)
    assert rows.turn(rows.turn(rows.turn(once, 90, 300, 200), 90, 200, 300), 90, 300, 200) == start


def test_the_transcription_has_a_line_for_each_row() -> None:
    grouped = rows.group([line("Place: Bergen", 0, 0), line("1931 ", 200, 0), line("M 12", 0, 40)])
    assert rows.transcription(grouped) == "Place: Bergen 1931\nM 12"
