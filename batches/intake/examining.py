"""What a page image shows: asked of the sandbox child. Imports no Django."""

from collections.abc import Sequence
from typing import Any

from PIL import Image

from batches.intake import barcodes, blank, frame, likeness


def _opened(path: str) -> Image.Image:
    return Image.open(path, formats=["JPEG", "MPO"])


def examine(path: str) -> dict[str, Any]:
    """Of a page image: whether it is blank, its 64 bits turned each way, the codes on it."""
    with _opened(path) as image:
        image.draft("L", image.size)
        grey = image.convert("L")
    return {
        "blank": blank.is_blank(grey),
        "looks": {str(turn): number for turn, number in likeness.bits(grey).items()},
        "codes": barcodes.read(grey),
    }


def find_frame(path: str, rotation: int, trim: bool, straighten: bool) -> dict[str, Any]:
    """Where the card lies on a scan, by its page image, which was turned clockwise by `rotation`."""
    with _opened(path) as image:
        image.draft("L", image.size)
        grey = image.convert("L")
    if rotation:
        grey = grey.rotate(rotation, expand=True)  # back
    return {"frame": frame.find(grey, trim=trim, straighten=straighten)}


def compare(path: str, others: Sequence[str]) -> dict[str, Any]:
    """How alike a thumbnail is to each of the others; 0 for one that is gone."""
    with _opened(path) as image:
        one = image.convert("L")
    return {"agreements": [_agreement(one, other) for other in others]}


def _agreement(one: Image.Image, path: str) -> float:
    try:
        with _opened(path) as image:
            return likeness.agreement(one, image)
    except OSError:
        return 0.0
