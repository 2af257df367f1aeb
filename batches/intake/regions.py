"""Rectangles on a page: how they lie to one another. Plain Python, without the libraries that look for them."""

from collections.abc import Mapping, Sequence
from typing import Any

Region = Sequence[int]  # left, top, width, height


def shared(one: Region, other: Region) -> int:
    """The area that both cover."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(0, across) * max(0, down)


def overlap(one: Region, other: Region) -> float:
    """How much of the smaller one lies in the other, 0 to 1."""
    return shared(one, other) / (min(one[2] * one[3], other[2] * other[3]) or 1)


def sameness(one: Region, other: Region) -> float:
    """What both cover of all that they cover, 0 to 1."""
    both = shared(one, other)
    return both / ((one[2] * one[3] + other[2] * other[3] - both) or 1)


def in_order(regions: Sequence[Region]) -> list[Region]:
    """Rows from top to bottom, in each from left to right."""
    rows: list[list[Region]] = []
    for region in sorted(regions, key=lambda each: each[1] + each[3] / 2):
        middle = region[1] + region[3] / 2
        row = rows[-1] if rows else []
        if row and middle < min(each[1] + each[3] for each in row):
            row.append(region)
        else:
            rows.append([region])
    return [region for row in rows for region in sorted(row, key=lambda each: each[0])]


def turned(box: Sequence[float], degrees: int) -> list[float]:
    """A box in shares of its image's sides, once the image is turned clockwise."""
    x, y, width, height = box
    for _quarter in range(degrees // 90 % 4):
        x, y, width, height = 1 - y - height, x, height, width
    return [round(side, 9) for side in (x, y, width, height)]


def turn_readings(fields: Mapping[str, dict[str, Any]], degrees: int, *, back: bool) -> None:
    """Where the values of one side were read (see CardResult.fields), once that side is turned clockwise."""
    for field in fields.values():
        if bool(field.get("on_back")) == back and field.get("regions"):
            field["regions"] = [turned(box, degrees) for box in field["regions"] if len(box) == 4]


def within(region: Region, size: tuple[int, int]) -> list[int]:
    """The part of it that lies on a page of this size."""
    left, top = max(0, region[0]), max(0, region[1])
    right, bottom = min(size[0], region[0] + region[2]), min(size[1], region[1] + region[3])
    return [left, top, right - left, bottom - top]
