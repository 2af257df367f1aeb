"""Where the cards lie on a scanned sheet. Plain Python: the sandbox uses it, so that nothing hostile is opened here.

Cards are rectangles that differ from what lies behind them, lighter or darker, perhaps a little askew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batches.intake.regions import Region, in_order, overlap

Pixels = NDArray[np.uint8]

LOOK_PX = 1000  # the longest side on which cards are looked for
MOST = 12  # cards on a sheet
SMALLEST = 0.02  # of the sheet
ALIKE = 0.2  # of the largest one's area: what is smaller is a ruler or a label
FILLED = 0.8  # of its rectangle, a card does so much
FAINTEST = 9.0  # a card differs from what lies behind it by so much, of 255
OVERLAP = 0.1  # of the smaller one: what lies in another's rectangle is no card beside it
MARGIN = 0.006  # of its longer side, left around a card
_BACKGROUNDS = 3  # colours of the sheet's edge that are tried


@dataclass(frozen=True, slots=True)
class _Try:
    """What stands out from one colour that may be the background."""

    cards: list[Region]
    score: float  # how well they fill their rectangles, weighed by their size


def find(small: Image.Image, size: tuple[int, int]) -> list[Region]:
    """The cards in reading order, none where there are not at least two. `small`: the sheet, which is of this size."""
    pixels = np.asarray(small.convert("RGB"))
    tries = (_stand_out(pixels, colour) for colour in _edge_colours(pixels))
    best = max(tries, key=lambda each: each.score, default=_Try([], 0.0))
    if not best.score:
        return []
    across, down = size[0] / small.width, size[1] / small.height
    return [_scaled(card, across, down, size) for card in in_order(best.cards)]


def _edge_colours(pixels: Pixels) -> Iterator[NDArray[np.float32]]:
    """The most usual colours along the sheet's edge; cards may touch it."""
    deep = max(2, min(pixels.shape[:2]) // 60)
    strips = (pixels[:deep], pixels[-deep:], pixels[:, :deep], pixels[:, -deep:])
    edge = np.concatenate([strip.reshape(-1, 3) for strip in strips])
    coarse = (edge >> 4).astype(np.int32)
    codes = coarse[:, 0] << 8 | coarse[:, 1] << 4 | coarse[:, 2]
    found: list[NDArray[np.float32]] = []
    for code in np.argsort(np.bincount(codes, minlength=4096))[::-1]:
        members = edge[codes == code]
        if len(found) == _BACKGROUNDS or len(members) < max(1, len(edge) // 50):
            break
        colour = np.median(members, axis=0).astype(np.float32)
        if all(np.abs(colour - other).max() > 24 for other in found):
            found.append(colour)
            yield colour


def _stand_out(pixels: Pixels, background: NDArray[np.float32]) -> _Try:
    away = np.abs(pixels.astype(np.float32) - background).max(axis=2)
    away = cv2.medianBlur(np.clip(away, 0, 255).astype(np.uint8), 5)
    otsu, _ = cv2.threshold(away, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    mask = (away > max(FAINTEST, otsu * 0.5)).astype(np.uint8)
    # Close letters that reach the edge, fill what a card encloses, then part cards that a thread of dust joins.
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(mask), outlines, -1, 1, cv2.FILLED)
    return _judged(cv2.morphologyEx(filled, cv2.MORPH_OPEN, np.ones((9, 9), np.uint8)).astype(np.uint8))


def _judged(mask: Pixels) -> _Try:
    height, width = mask.shape
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    sized = [(float(cv2.contourArea(outline)), outline) for outline in outlines]
    largest = max((area for area, _ in sized), default=0.0)
    wanted = [(area, one) for area, one in sized if area >= max(SMALLEST * width * height, ALIKE * largest)]
    cards: list[Region] = []
    score = 0.0
    for area, outline in wanted:
        _middle, (across, down), _angle = cv2.minAreaRect(outline)
        fill = area / ((across * down) or 1.0)
        if fill < FILLED:
            return _Try([], 0.0)  # half of the cards would be worse than none
        left, top, wide, high = cv2.boundingRect(outline)
        cards.append([left, top, wide, high])
        score += fill * area / (width * height)
    apart = not any(overlap(one, other) > OVERLAP for one, other in combinations(cards, 2))
    return _Try(cards, score if apart and 2 <= len(cards) <= MOST else 0.0)


def _scaled(card: Region, across: float, down: float, size: tuple[int, int]) -> Region:
    """On the sheet itself, with a margin."""
    left, top, width, height = card
    margin = MARGIN * max(width * across, height * down)
    x, y = max(0, round(left * across - margin)), max(0, round(top * down - margin))
    right = min(size[0], round((left + width) * across + margin))
    bottom = min(size[1], round((top + height) * down + margin))
    return [x, y, right - x, bottom - y]
