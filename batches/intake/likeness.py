"""How alike two scans are. Used in the sandbox child; imports no Django.

64 bits tell which scans may be the same card: they are found by an index. Cards on the same form have nearly the same
bits, so that the thumbnails of those few are laid over each other: copies, re-encoded, resized, brightened or shifted
by a hundredth agree to 0.76 and more, the most alike of 60 different cards to 0.59.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SIDE = 32  # px that the bits are taken of
LAID_OVER = 192  # px at which two scans are compared
SHIFT = 8  # of them, that one may lie beside the other
SAME = 0.68  # agreement from which on two scans show the same card

Values = NDArray[np.float64]
_STEPS = np.arange(SIDE)
_COSINES: Values = np.cos(np.pi * (2 * _STEPS[None, :] + 1) * _STEPS[:8, None] / (2 * SIDE))


def _window(side: int) -> Values:
    """Edges count less: a scan that is shifted or cut a little differs there most."""
    slope = np.sqrt(np.hanning(side + 2)[1:-1])
    return np.asarray(slope[:, None] * slope[None, :])


def bits(grey: Image.Image) -> dict[int, int]:
    """For each direction that the scan may be turned to: 64 signs of its lowest frequencies, as a signed number."""
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float64)
    return {turn: _bits(np.rot90(small, k=-(turn // 90))) for turn in (0, 90, 180, 270)}


def _bits(small: Values) -> int:
    waves = _COSINES @ ((small - small.mean()) * _window(SIDE)) @ _COSINES.T
    signs = (waves > np.median(waves)).flatten()
    number = int("".join("1" if sign else "0" for sign in signs), 2)
    return number - (1 << 64) if number >= 1 << 63 else number


def agreement(one: Image.Image, other: Image.Image) -> float:
    """1.0 for the same image, about 0.5 at most for different cards; shifted by as much as fits best."""
    first, second = _relief(one), _relief(other)
    size = float(np.sqrt((first * first).sum() * (second * second).sum()))
    if not size:
        return 1.0 if not first.any() and not second.any() else 0.0
    both = np.fft.irfft2(np.fft.rfft2(first) * np.conj(np.fft.rfft2(second)), s=first.shape)
    near = np.roll(both, (SHIFT, SHIFT), axis=(0, 1))[: 2 * SHIFT + 1, : 2 * SHIFT + 1]
    return float(near.max()) / size


def _relief(image: Image.Image) -> Values:
    """What stands out from its surroundings: paper and light do not count."""
    grey = image.convert("L").resize((LAID_OVER, LAID_OVER), Image.Resampling.BILINEAR)
    smooth = grey.filter(ImageFilter.BoxBlur(6))
    raised = np.asarray(grey, dtype=np.float64) - np.asarray(smooth, dtype=np.float64)
    return np.asarray(raised * _window(LAID_OVER))
