from collections.abc import Callable

import pytest

from ocr.engines.local import orientation
from ocr.engines.local.rows import Box, Read
from tests.ocr.local.typed import box

Reader = Callable[[list[Box]], tuple[list[Read], list[Read]]]


def reader(forth: list[float], back: list[float], asked: list[int]) -> Reader:
    """Answers with these scores, line by line; the longest line is the first."""

    def read(boxes: list[Box]) -> tuple[list[Read], list[Read]]:
        start = sum(asked)
        asked.append(len(boxes))
        places = range(start, start + len(boxes))
        upright, turned = ([Read("ten lettrs", scores[place]) for place in places] for scores in (forth, back))
        return upright, turned

    return read


def boxes(count: int) -> list[Box]:
    return [box(0, 30 * number, 500 - number) for number in range(count)]


@pytest.mark.parametrize(("down", "sideways"), [(100, False), (350, True)])
def test_the_axis_is_where_more_text_runs(down: float, sideways: bool) -> None:
    assert orientation.sideways([box(0, 0, 200), box(0, 40, 100), box(300, 0, 20, down)]) is sideways


def test_four_lines_decide_where_they_are_clear() -> None:
    asked: list[int] = []
    found = orientation.find(boxes(9), reader([0.95] * 9, [0.6] * 9, asked))
    assert (found.rotation, asked) == (0, [4])
    assert len(found.read) == 4


def test_a_card_upside_down_is_turned_and_keeps_what_was_read_that_way() -> None:
    found = orientation.find(boxes(4), reader([0.5] * 4, [0.9] * 4, []))
    assert found.rotation == 180
    assert set(found.read.values()) == {Read("ten lettrs", 0.9)}


def test_more_lines_are_asked_while_they_differ_little() -> None:
    asked: list[int] = []
    forth, back = [0.8] * 4 + [0.95] * 8, [0.75] * 4 + [0.4] * 8
    assert orientation.find(boxes(20), reader(forth, back, asked)).rotation == 0
    assert asked == [4, 4]


def test_never_more_than_twelve() -> None:
    asked: list[int] = []
    orientation.find(boxes(20), reader([0.8] * 12, [0.81] * 12, asked))
    assert asked == [4, 4, 4]


def test_lines_that_stand_upright_on_end_are_not_asked() -> None:
    asked: list[int] = []
    orientation.find([box(0, 0, 20, 400), *boxes(2)], reader([0.9] * 2, [0.5] * 2, asked))
    assert asked == [2]


def test_a_long_text_weighs_more_than_a_short_one() -> None:
    def read(some: list[Box]) -> tuple[list[Read], list[Read]]:
        return [Read("Øst Frisiske kyst", 0.9), Read("1", 0.1)], [Read("e", 0.95), Read("1", 0.95)]

    assert orientation.find(boxes(2), read).rotation == 180
    assert orientation.find(boxes(2), lambda some: ([Read("", 0.0)] * 2, [Read("", 0.0)] * 2)).rotation == 0
