"""What can be seen of a mask of pixels: runs, lines, patches. Used in the sandbox child; imports no Django."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
ACROSS, DOWN = 1, 0


def _window(mask: Mask, length: int) -> NDArray[np.int32]:
    """How many are set in the window around each place of a row."""
    padded = np.pad(mask.astype(np.int32), ((0, 0), (length // 2 + 1, length - 1 - length // 2)))
    total = np.cumsum(padded, axis=1)
    return total[:, length:] - total[:, :-length]


def dense(mask: Mask, length: int, share: float, axis: int) -> Mask:
    """Windows of this length along the axis of which at least this share is set."""
    rows = mask if axis == ACROSS else mask.T
    found = _window(_window(rows, length) >= share * length, length) > 0
    return found if axis == ACROSS else found.T


def unbroken(mask: Mask, length: int, axis: int) -> Mask:
    """The places that lie in a run of at least this length."""
    rows = mask if axis == ACROSS else mask.T
    if rows.shape[1] < length:
        return np.zeros_like(mask)
    total = np.cumsum(np.pad(rows.astype(np.int32), ((0, 0), (1, 0))), axis=1)
    starts = (total[:, length:] - total[:, :-length]) == length
    padded = np.pad(starts.astype(np.int32), ((0, 0), (length, length - 1)))
    covered = np.cumsum(padded, axis=1)
    found: Mask = (covered[:, length:] - covered[:, :-length]) > 0
    return found if axis == ACROSS else found.T


def spread(values: NDArray[Any], by: int, axis: int, choose: Callable[..., Any] = np.maximum) -> NDArray[Any]:
    """Each place takes the largest (or what `choose` says) of its neighbours along the axis."""
    made = values.copy()
    for step in range(1, by + 1):
        if axis == DOWN:
            made[step:] = choose(made[step:], values[:-step])
            made[:-step] = choose(made[:-step], values[step:])
        else:
            made[:, step:] = choose(made[:, step:], values[:, :-step])
            made[:, :-step] = choose(made[:, :-step], values[:, step:])
    return made


def cells(mask: Mask, side: int) -> NDArray[np.int32]:
    """How many are set in each square of this side."""
    height, width = (length // side for length in mask.shape)
    cut = mask[: height * side, : width * side]
    counted: NDArray[np.int32] = cut.reshape(height, side, width, side).sum(axis=(1, 3), dtype=np.int32)
    return counted


def patches(mask: Mask) -> list[list[tuple[int, int]]]:
    """Places that hang together, also over a corner. For small masks."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    found = []
    while left:
        patch = [left.pop()]
        for y, x in patch:  # it grows meanwhile
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            patch += near
        found.append(patch)
    return found
