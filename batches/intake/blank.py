"""Whether anything stands on a scan: in doubt it does. Used in the sandbox child; imports no Django.

Strokes are thin and darker than the paper beside them, and several stand together. Paper, its texture, stains, holes,
the scanner's border and noise are not; ruled lines and frames are long and thin, and left out.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from batches.intake.grids import ACROSS, DOWN, Mask, cells, dense, patches, spread, unbroken

SMALLEST = 200  # px of the longer side; of less nothing can be said
SIDE = 800  # px of the longer side that it is looked for at
STROKE = 13  # px; what is wider is no stroke
FAINTEST = 5  # grey levels below the paper
OVER_NOISE = 5.0  # times the noise of the paper
MARGIN = 0.04
LINE = 0.7  # of a stretch must be dark to be a line
CELL, INKED = 10, 4  # px a side; dark pixels that make a cell one with a stroke
TOGETHER = 5  # cells: two characters, however faint; specks of dust have up to four
LARGE_DARK = 0.012  # of the scan: a thick stroke or a picture; a punched hole has half of it


def is_blank(grey: Image.Image) -> bool:
    if max(grey.size) < SMALLEST:
        return False
    grey = _even(grey)
    pixels = np.asarray(grey)
    solid = _solid(pixels)
    if _share_inside(solid) > LARGE_DARK:
        return False
    marked = strokes(pixels)
    inked = cells(marked & ~_lines(marked), CELL) >= INKED
    near_solid = spread(spread(cells(solid, CELL) > 0, 1, DOWN), 1, ACROSS)  # the rim of a hole
    inked &= ~near_solid
    joined = patches(spread(inked, 1, ACROSS))  # the characters of a word need not touch
    return all(sum(bool(inked[place]) for place in patch) < TOGETHER for patch in joined)


def _even(grey: Image.Image) -> Image.Image:
    """Dark on light, at one size, single pixels of noise smoothed."""
    grey = grey.copy()
    grey.thumbnail((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0)
    if np.median(np.asarray(grey)) < 100:
        grey = ImageChops.invert(grey)
    return grey.filter(ImageFilter.GaussianBlur(0.8))


def _solid(pixels: NDArray[np.uint8]) -> Mask:
    """Dark areas wider than any stroke."""
    dark = pixels < np.median(pixels) - 60
    return unbroken(unbroken(dark, STROKE + 1, ACROSS), STROKE + 1, DOWN)


def _share_inside(solid: Mask) -> float:
    """How much of the scan is solid, without what hangs together with its edge: the scanner's border."""
    dark = cells(solid, CELL) > CELL * CELL // 2
    height, width = dark.shape
    edge = {0, 1}
    inside = 0
    for patch in patches(dark):
        at_edge = any(y in edge or x in edge or y >= height - 2 or x >= width - 2 for y, x in patch)
        inside += 0 if at_edge else len(patch)
    return inside / max(dark.size, 1)


def strokes(pixels: NDArray[np.uint8]) -> Mask:
    """Thin dark places: writing and lines."""
    height, width = pixels.shape
    depth = (_closed(pixels) - pixels).astype(np.float32)  # never below zero
    margin = max(1, int(MARGIN * min(height, width)))
    inner = depth[margin : height - margin, margin : width - margin]
    marked = np.zeros(pixels.shape, dtype=np.bool_)
    if not inner.size:
        return marked
    middle = float(np.median(inner))
    paper = inner[inner <= middle + 4]
    threshold = max(FAINTEST, middle + OVER_NOISE * max(0.3, float(paper.std())))
    marked[margin : height - margin, margin : width - margin] = inner > threshold
    return marked


def _closed(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The paper as if nothing thin stood on it; edges of wide areas stay where they are."""
    by = STROKE // 2
    filled = spread(spread(pixels, by, DOWN), by, ACROSS)
    return spread(spread(filled, by, DOWN, np.minimum), by, ACROSS, np.minimum)


def _lines(marked: Mask) -> Mask:
    height, width = marked.shape
    found = np.zeros_like(marked)
    for axis, other, length in ((ACROSS, DOWN, max(40, width // 10)), (DOWN, ACROSS, max(40, height // 8))):
        thin = marked & ~unbroken(marked, 8, other)
        near = spread(thin, 1, other)
        found |= spread(dense(near, length, LINE, axis) & near, 2, other)
    return found
