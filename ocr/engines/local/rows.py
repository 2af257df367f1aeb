"""Boxes of text, and the rows that they form on the upright card."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

Point = tuple[float, float]
Box = tuple[Point, ...]  # four corners, clockwise from the top left, in pixels


class Read(NamedTuple):
    """What stands in a box, how sure it is (0 to 1), and where: the middle of each character, 0 to 1 along the box."""

    text: str
    score: float
    middles: tuple[float, ...] = ()  # empty where nobody knows: then all characters are taken to be of one width


def _across(box: Box) -> float:
    return math.dist(box[0], box[1])


def _down(box: Box) -> float:
    return math.dist(box[0], box[3])


def length(box: Box) -> float:
    return max(_across(box), _down(box))


def wide(box: Box) -> bool:
    return _across(box) >= _down(box)


def turn(box: Box, rotation: int, width: int, height: int) -> Box:
    """The box where it comes to lie when its image (of this size) is turned clockwise by `rotation`."""
    if rotation == 90:
        moved = [(height - y, x) for x, y in box]
    elif rotation == 180:
        moved = [(width - x, height - y) for x, y in box]
    elif rotation == 270:
        moved = [(y, width - x) for x, y in box]
    else:
        return box
    # The corner that was left below is left above after a quarter turn: begin with it again.
    first = {90: 3, 180: 2, 270: 1}[rotation]
    return tuple(moved[first:] + moved[:first])


@dataclass(frozen=True, slots=True)
class Line:
    """Text as it was found and read: one box, upright."""

    text: str
    score: float
    box: Box
    middles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A line, or a part of one, with its place on the straightened card."""

    text: str
    score: float
    box: Box
    left: float
    right: float
    top: float
    bottom: float
    middles: tuple[float, ...] = ()

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def part(self, start: int, end: int) -> "Segment":
        """The characters from start to end, with their share of the box."""
        a, b = self._edge(start), self._edge(end)
        top_left, top_right, bottom_right, bottom_left = self.box
        box = (
            _between(top_left, top_right, a),
            _between(top_left, top_right, b),
            _between(bottom_left, bottom_right, b),
            _between(bottom_left, bottom_right, a),
        )
        span = self.right - self.left
        left, right = self.left + a * span, self.left + b * span
        return Segment(self.text[start:end], self.score, box, left, right, self.top, self.bottom)

    def _edge(self, place: int) -> float:
        """Where the character at this place begins, 0 to 1 along the box."""
        if not 0 < place < len(self.text):
            return float(place > 0)
        if len(self.middles) != len(self.text):
            return place / len(self.text)
        for beside in (place - 1, place):
            if self.text[beside].isspace():
                return self.middles[beside]
        return (self.middles[place - 1] + self.middles[place]) / 2


Row = tuple[Segment, ...]


def _between(a: Point, b: Point, share: float) -> Point:
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


def skew(lines: Sequence[Line]) -> float:
    """The angle of the text in radians: the median over lines, where a line counts by its length."""
    angles = sorted(
        (math.atan2(line.box[1][1] - line.box[0][1], line.box[1][0] - line.box[0][0]), length(line.box))
        for line in lines
        if wide(line.box)
    )
    half, passed = sum(weight for _, weight in angles) / 2, 0.0
    for angle, weight in angles:
        passed += weight
        if passed >= half:
            return angle
    return 0.0


def straighten(lines: Sequence[Line]) -> list[Segment]:
    cos, sin = math.cos(angle := -skew(lines)), math.sin(angle)
    segments = []
    for line in lines:
        points = [(x * cos - y * sin, x * sin + y * cos) for x, y in line.box]
        left, right = (points[0][0] + points[3][0]) / 2, (points[1][0] + points[2][0]) / 2
        top, bottom = (points[0][1] + points[1][1]) / 2, (points[2][1] + points[3][1]) / 2
        segments.append(Segment(line.text, line.score, line.box, left, right, top, bottom, line.middles))
    return segments


def group(lines: Sequence[Line]) -> list[Row]:
    """Rows from top to bottom, each from left to right."""
    rows: list[list[Segment]] = []
    for segment in sorted(straighten(lines), key=lambda each: each.middle):
        row = next((row for row in reversed(rows[-3:]) if _stands_in(segment, row)), None)
        if row is None:
            rows.append([segment])
        else:
            row.append(segment)
    rows.sort(key=lambda row: median(each.middle for each in row))
    return [tuple(sorted(row, key=lambda each: each.left)) for row in rows]


def _stands_in(segment: Segment, row: Iterable[Segment]) -> bool:
    """Whether a segment continues the row: level with it, and beside what stands there."""
    members = list(row)
    level = median(each.middle for each in members)
    reach = 0.5 * min(segment.height, median(each.height for each in members))
    return abs(segment.middle - level) <= reach and not any(_overlap(segment, each) > 0.3 for each in members)


def _overlap(a: Segment, b: Segment) -> float:
    """How much of the narrower one lies above or below the other, 0 to 1."""
    shared = min(a.right, b.right) - max(a.left, b.left)
    return max(0.0, shared) / (min(a.right - a.left, b.right - b.left) or 1.0)


def transcription(rows: Iterable[Row]) -> str:
    return "\n".join(" ".join(segment.text.strip() for segment in row) for row in rows)
