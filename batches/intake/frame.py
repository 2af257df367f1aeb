"""Where the card lies on its scan, and how far askew. Used in the sandbox child; imports no Django.

In doubt nothing is cut off: a strip goes only where hardly a pixel of it is unlike the scanner's background.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from batches.intake import blank
from batches.intake.grids import Mask

SIDE = 800  # px of the longer side that it is looked for at
DARK, PALE = 70, 235  # grey levels of the two backgrounds that scanners have
UNLIKE = 10  # grey levels that tell paper from a white background
LEAST = 0.03  # of a row or column belongs to the card where it begins
SOLID = 0.6  # of its box; a white card on white has its writing alone, which is no card
WORTH, MOST = 0.01, 0.7  # of the scan that is cut off
ROOM = 0.004  # of the side that is left around it
STEP, WIDEST, SMALLEST = 0.1, 5.0, 0.3  # degrees
CLEARLY = 1.05  # times as sharp as it stands

Box = tuple[float, float, float, float]  # left, top, right, bottom: shares of width and height


def find(grey: Image.Image, *, trim: bool, straighten: bool) -> tuple[Box, float] | None:
    """The box of the card after the scan is turned counter-clockwise by so many degrees. None: it stays as it is."""
    grey = grey.copy()
    grey.thumbnail((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    tilt = tilted(grey) if straighten else 0.0
    if tilt:
        edge = int(np.median(np.asarray(grey)[0]))
        grey = grey.rotate(tilt, Image.Resampling.BILINEAR, fillcolor=edge)
    box = card_box(np.asarray(grey)) if trim else None
    if box is None and not tilt:
        return None
    return box or (0.0, 0.0, 1.0, 1.0), tilt


def card_box(pixels: NDArray[np.uint8]) -> Box | None:
    for mask in (pixels >= DARK, _unlike_white(pixels)):
        if mask is not None and (box := _box(mask)):
            return box
    return None


def _unlike_white(pixels: NDArray[np.uint8]) -> Mask | None:
    """The card, where the scan's edge is white."""
    edge = np.concatenate([pixels[:2].ravel(), pixels[-2:].ravel(), pixels[:, :2].ravel(), pixels[:, -2:].ravel()])
    white = float(np.median(edge))
    return pixels < white - UNLIKE if white >= PALE else None


def _box(mask: Mask) -> Box | None:
    height, width = mask.shape
    rows, columns = (np.flatnonzero(mask.mean(axis=axis) >= LEAST) for axis in (1, 0))
    if not rows.size or not columns.size:
        return None
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    cut = 1 - (bottom - top) * (right - left) / mask.size
    if not WORTH <= cut <= MOST or mask[top:bottom, left:right].mean() < SOLID:
        return None
    return (
        max(0.0, left / width - ROOM),
        max(0.0, top / height - ROOM),
        min(1.0, right / width + ROOM),
        min(1.0, bottom / height + ROOM),
    )


def tilted(grey: Image.Image) -> float:
    """Degrees counter-clockwise that set its lines level, upright or sideways; 0.0 where that is not clear."""
    marked = blank.strokes(np.asarray(grey))
    ys, xs = (places.astype(np.float64) for places in np.nonzero(marked))
    if ys.size < 200:
        return 0.0
    angles = np.arange(-WIDEST, WIDEST + STEP / 2, STEP)
    best, found = 0.0, 0.0
    for across, down in ((xs, ys), (-ys, xs)):
        sharp = [_sharpness(down - across * np.tan(np.radians(angle))) for angle in angles]
        place = int(np.argmax(sharp))
        level = sharp[len(sharp) // 2]
        if 0 < place < len(sharp) - 1 and sharp[place] > max(best, CLEARLY * level):
            best, found = sharp[place], float(angles[place])
    return round(found, 1) if abs(found) >= SMALLEST else 0.0


def _sharpness(rows: NDArray[np.float64]) -> float:
    """How much is heaped in few rows."""
    counted = np.bincount((rows - rows.min()).astype(np.int64))
    return float((counted.astype(np.float64) ** 2).sum())
