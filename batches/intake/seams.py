"""Cards that no background parts: outlined by a faint shadow, touching, or white on white. Used in the sandbox child.

In doubt nothing is found. What is proposed are equal cards in a regular grid, each in the shape of a card.
"""

from collections.abc import Iterator
from itertools import pairwise, product

import cv2
import numpy as np
from numpy.typing import NDArray

from batches.intake.grids import Mask
from batches.intake.regions import Region

Pixels = NDArray[np.uint8]
Grey = NDArray[np.float32]

SHAPES = (1.2, 1.9)  # a card's longer side to its shorter one
MOST_LINES = 6  # rows, and columns, of touching cards
FAINT = 4.0  # grey levels by which a shadow or a seam is darker, at least
DRAWN = 0.75  # of a side is a shadow there
UNBROKEN = 0.93  # of a seam can be seen
OFF = 0.05  # of a card's side a seam may lie beside its place in the grid
RULES = 4  # other lines from edge to edge on each card: its own rules
STRONGER = 1.4  # times as strong as those is a seam, where there are more
NEAR = 0.03  # of a card's side: what lies closer together is one line
INK = 60.0  # grey levels by which writing is darker than its paper


def outlined(away: Pixels) -> list[Region]:
    """Cards of which two sides that meet are drawn by a shadow. `away`: how unlike the background each pixel is."""
    noise = float(np.median(away))
    mask = (away >= max(FAINT, 3 * noise + 2)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(np.uint8)
    number, labels, stats, _middles = cv2.connectedComponentsWithStats(mask, connectivity=8)
    found: list[Region] = []
    for label in range(1, number):
        left, top, width, height = (int(value) for value in stats[label][:4])
        if min(width, height) < min(mask.shape) / 12:
            continue
        part = labels[top : top + height, left : left + width] == label
        if box := _completed(part):
            found.append([left + box[0], top + box[1], box[2], box[3]])
    return found


def _completed(part: Mask) -> Region | None:
    """The card's box where the part draws two of its sides that meet; a card that is askew reaches beyond them."""
    height, width = part.shape
    deep = max(3, round(0.1 * max(part.shape)))
    across, down = min(deep, width // 3), min(deep, height // 3)
    left, right = part[:, :across].any(axis=1).mean() >= DRAWN, part[:, -across:].any(axis=1).mean() >= DRAWN
    top, bottom = part[:down].any(axis=0).mean() >= DRAWN, part[-down:].any(axis=0).mean() >= DRAWN
    if not ((left or right) and (top or bottom)):
        return None
    if (left and right) or (top and bottom):
        return [0, 0, width, height]
    flipped = part if right else part[:, ::-1]
    flipped = flipped if bottom else flipped[::-1]
    lean_x, lean_y = _lean(flipped.T, down, across), _lean(flipped, across, down)
    return [-lean_x if right else 0, -lean_y if bottom else 0, width + lean_x, height + lean_y]


def _lean(part: Mask, across: int, down: int) -> int:
    """By how much the lower side rises away from its corner on the right, as far as a card is askew: so much of the
    upper one, which nothing draws, lies above the right side's end.
    """
    deep = part[-down:].argmax(axis=0)  # the first pixel of each column in the lower band
    columns = np.flatnonzero(part[-down:].any(axis=0))
    ends = deep[columns[: max(1, across // 4)]], deep[columns[-max(1, across // 4) :]]
    return max(0, int(np.median(ends[1]) - np.median(ends[0])))


def parted(grey: Pixels) -> list[Region]:
    """The cards of a block without any background between them, empty where it seems to be one card."""
    height, width = grey.shape
    if min(height, width) < 60:
        return []
    across, down = _lines(grey), _lines(np.ascontiguousarray(grey.T))
    best: list[Region] = []
    for rows, columns in _grids(height, width):
        if rows * columns <= len(best):
            continue
        ys, xs = _cuts(across, rows, height), _cuts(down, columns, width)
        if ys is not None and xs is not None:
            best = _cells(ys, xs)
    return best


def _grids(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Rows and columns that make cells in the shape of a card."""
    for rows, columns in product(range(1, MOST_LINES + 1), repeat=2):
        one, other = height / rows, width / columns
        if 2 <= rows * columns <= 12 and is_a_card((0, 0, round(other), round(one))):
            yield rows, columns


def is_a_card(box: Region) -> bool:
    """By its shape."""
    sides = sorted(box[2:])
    return SHAPES[0] <= sides[1] / max(1, sides[0]) <= SHAPES[1]


def _cells(ys: list[int], xs: list[int]) -> list[Region]:
    return [[x, y, right - x, low - y] for y, low in pairwise(ys) for x, right in pairwise(xs)]


def _lines(grey: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of each row: how much of it is a line from one side to the other, and how strong that line is."""
    smooth = cv2.blur(grey.astype(np.float32), (11, 1))
    padded = np.pad(smooth, ((3, 3), (0, 0)), mode="edge")
    around = np.minimum(padded[:-6], padded[6:])
    ridge = around - smooth  # a dark line
    step = np.abs(padded[4:-2] - padded[2:-4])  # one paper ends, another begins
    strength = np.maximum(ridge, step)
    near = cv2.dilate(strength, np.ones((3, 1), np.uint8))
    return (near >= FAINT).mean(axis=1).astype(np.float32), np.median(near, axis=1).astype(np.float32)


def _cuts(lines: tuple[NDArray[np.float32], NDArray[np.float32]], number: int, length: int) -> list[int] | None:
    """Where so many equal cards meet, with both ends; None where a seam is missing, or is but one rule of many."""
    if number == 1:
        return [0, length]
    seen, strength = lines
    size = length / number
    off = max(2, round(OFF * size))
    cuts = [0]
    other = seen >= UNBROKEN
    other[: off + 1] = other[-off - 1 :] = False
    for place in range(1, number):
        low = round(place * size) - off
        window = slice(low, low + 2 * off + 1)
        at = low + int(np.argmax(np.where(seen[window] >= UNBROKEN, strength[window], -1)))
        if seen[at] < UNBROKEN:
            return None
        cuts.append(at)
    near = max(4, round(NEAR * size))
    for at in cuts[1:]:
        other[max(0, at - near) : at + near + 1] = False
    places = np.flatnonzero(other)
    if places.size and 1 + int((np.diff(places) > near).sum()) > RULES * number:
        weakest = min(float(strength[at]) for at in cuts[1:])
        if weakest < STRONGER * float(np.percentile(strength[other], 90)):
            return None
    return [*cuts, length]
