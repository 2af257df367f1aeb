"""Which way a scan stands, from its text alone: one detection, and the longest lines read both ways."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ocr.engines.local.rows import Box, Read, length, wide

MARGIN = 0.12  # of the mean score; below it more lines are asked
STEP, MOST = 4, 12  # lines read at a time, and at most

ReadBothWays = Callable[[list[Box]], tuple[list[Read], list[Read]]]


@dataclass(frozen=True, slots=True)
class Orientation:
    """`rotation`: degrees clockwise that turn the scan upright; `read`: what has been read that way."""

    rotation: int
    read: dict[Box, Read]


def sideways(boxes: Sequence[Box]) -> bool:
    """Whether more of the text's length runs down the scan than across it."""
    across = sum(length(box) for box in boxes if wide(box))
    down = sum(length(box) for box in boxes if not wide(box))
    return down > across


def find(boxes: Sequence[Box], read_both_ways: ReadBothWays) -> Orientation:
    """Decide by the longest lines along the main axis.

    The boxes are those of the scan turned by 90 degrees where it is `sideways`, so that the lines run across it;
    the rotation found is 0 or 180, to be added to that.
    """
    lines = sorted((box for box in boxes if wide(box)), key=length, reverse=True)[:MOST]
    forth: dict[Box, Read] = {}
    back: dict[Box, Read] = {}
    for start in range(0, len(lines), STEP):
        some = lines[start : start + STEP]
        upright, upside_down = read_both_ways(some)
        forth.update(zip(some, upright, strict=True))
        back.update(zip(some, upside_down, strict=True))
        if abs(_mean(forth) - _mean(back)) > MARGIN:
            break
    if _mean(back) > _mean(forth):
        return Orientation(180, back)
    return Orientation(0, forth)


def _mean(read: dict[Box, Read]) -> float:
    """The score of all characters read: a line counts by its length."""
    characters = sum(len(each.text) for each in read.values())
    return sum(len(each.text) * each.score for each in read.values()) / characters if characters else 0.0
