"""Where the cards lie on a scanned sheet. Plain Python: the sandbox uses it, so that nothing hostile is opened here.

Cards are rectangles that differ from what lies behind them, lighter or darker, perhaps a little askew; or white ones on
white of which a shadow draws the edges; or equal ones that touch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batches.intake import seams
from batches.intake.regions import Region, in_order, overlap, within

Pixels = NDArray[np.uint8]
Colour = NDArray[np.float32]

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
    colours = list(_edge_colours(pixels))
    tries = [_stand_out(pixels, colour) for colour in colours]
    best = max(tries, key=lambda each: each.score, default=_Try([], 0.0))
    grey = np.asarray(small.convert("L"))
    cards = _parted(grey, best.cards) if best.score else _faint(pixels, grey, colours, tries)
    across, down = size[0] / small.width, size[1] / small.height
    return [_scaled(card, across, down, size) for card in in_order(cards)]


def _parted(grey: Pixels, found: list[Region]) -> list[Region]:
    """With those that touch each other parted, where all then are of about the same size."""
    parts = [seams.parted(grey[top : top + high, left : left + wide]) for left, top, wide, high in found]
    cards: list[Region] = []
    for whole, some in zip(found, parts, strict=True):
        cards += [[whole[0] + x, whole[1] + y, wide, high] for x, y, wide, high in some] or [whole]
    return cards if _are_alike(cards) and len(cards) <= MOST else found


def _are_alike(cards: list[Region]) -> bool:
    sizes = [wide * high for _x, _y, wide, high in cards]
    return min(sizes) >= 0.7 * max(sizes)


def _faint(pixels: Pixels, grey: Pixels, colours: list[Colour], tries: list[_Try]) -> list[Region]:
    """Where nothing stands out: by shadows and seams."""
    blocks = [each.cards[0] for each in tries if len(each.cards) == 1]
    for colour in colours:
        boxes = _outermost(seams.outlined(_away(pixels, colour)))
        if len(boxes) == 1:
            blocks.append(within(boxes[0], (grey.shape[1], grey.shape[0])))
        if len(boxes) >= 2:
            cards = _parted(grey, [within(box, (grey.shape[1], grey.shape[0])) for box in boxes])
            if _are_alike(cards) and all(map(seams.is_a_card, cards)) and _hold_all(cards, _away(pixels, colour)):
                return cards
    for block in [*blocks, [0, 0, grey.shape[1], grey.shape[0]]]:
        left, top, wide, high = block
        if found := seams.parted(grey[top : top + high, left : left + wide]):
            return [[left + x, top + y, across, down] for x, y, across, down in found]
    return []


def _outermost(boxes: list[Region]) -> list[Region]:
    """Without those that lie in another."""
    kept: list[Region] = []
    for box in sorted(boxes, key=lambda each: -each[2] * each[3]):
        if all(overlap(box, other) < 0.9 for other in kept):
            kept.append(box)
    apart = not any(overlap(one, other) > OVERLAP for one, other in combinations(kept, 2))
    return kept if apart else []


def _hold_all(boxes: list[Region], away: Pixels) -> bool:
    """Hardly anything is written beside them."""
    ink = away >= seams.INK
    inside = np.zeros_like(ink)
    for left, top, wide, high in boxes:
        inside[max(0, top - 2) : top + high + 2, max(0, left - 2) : left + wide + 2] = True
    return int((ink & ~inside).sum()) <= 0.02 * max(1, int(ink.sum()))


def _edge_colours(pixels: Pixels) -> Iterator[Colour]:
    """The most usual colours along the sheet's edge; cards may touch it."""
    deep = max(2, min(pixels.shape[:2]) // 60)
    strips = (pixels[:deep], pixels[-deep:], pixels[:, :deep], pixels[:, -deep:])
    edge = np.concatenate([strip.reshape(-1, 3) for strip in strips])
    coarse = (edge >> 4).astype(np.int32)
    codes = coarse[:, 0] << 8 | coarse[:, 1] << 4 | coarse[:, 2]
    found: list[Colour] = []
    for code in np.argsort(np.bincount(codes, minlength=4096))[::-1]:
        members = edge[codes == code]
        if len(found) == _BACKGROUNDS or len(members) < max(1, len(edge) // 50):
            break
        colour = np.median(members, axis=0).astype(np.float32)
        if all(np.abs(colour - other).max() > 24 for other in found):
            found.append(colour)
            yield colour


def _away(pixels: Pixels, background: Colour) -> Pixels:
    """How unlike it each pixel is."""
    away = np.abs(pixels.astype(np.float32) - background).max(axis=2)
    made: Pixels = np.clip(away, 0, 255).astype(np.uint8)
    return made


def _stand_out(pixels: Pixels, background: Colour) -> _Try:
    away = cv2.medianBlur(_away(pixels, background), 5).astype(np.uint8)
    otsu, _ = cv2.threshold(away, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    mask = (away > max(FAINTEST, otsu * 0.5)).astype(np.uint8)
    # Close letters that reach the edge, fill what a card encloses, then part cards that a thread of dust joins.
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
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
