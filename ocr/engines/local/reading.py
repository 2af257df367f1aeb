"""From a scan to its upright lines of text."""

from dataclasses import dataclass
from pathlib import Path

from ocr.engines.local import ocr, orientation
from ocr.engines.local.ocr import Ocr, Pixels
from ocr.engines.local.rows import Box, Line, Read, turn


@dataclass(frozen=True, slots=True)
class Upright:
    """The lines of a card, on the image turned clockwise by `rotation`; its size in pixels. None: there is no text."""

    lines: tuple[Line, ...]
    rotation: int | None
    width: int
    height: int


def read(engine: Ocr, path: Path, rotation: int | None = None) -> Upright:
    """Raises ocr.errors.UnreadableImage. Where the rotation is known, it is not looked for."""
    image = ocr.load(path)
    if rotation is None:
        image, boxes, known, rotation = _stand_upright(engine, image)
    else:
        image, known = ocr.turned(image, rotation), {}
        boxes = engine.boxes(image)
    rest = [box for box in boxes if box not in known]
    known |= zip(rest, engine.texts(image, rest), strict=True)
    found = [(known[box], box) for box in boxes if known[box].text.strip()]
    lines = tuple(Line(read.text, read.score, box, read.middles) for read, box in found)
    height, width = image.shape[:2]
    return Upright(lines, rotation, width, height)


def find_rotation(engine: Ocr, image: Pixels) -> int | None:
    """Degrees clockwise that turn the image upright; None without any text."""
    return _stand_upright(engine, image)[3]


def _stand_upright(engine: Ocr, image: Pixels) -> tuple[Pixels, list[Box], dict[Box, Read], int | None]:
    """The image turned, its boxes turned with it, what of them has been read already, and the rotation."""
    boxes = engine.boxes(image)
    if not boxes:
        return image, boxes, {}, None
    quarter = 90 if orientation.sideways(boxes) else 0
    image, boxes = _turn(image, boxes, quarter)
    lying = image

    def both_ways(some: list[Box]) -> tuple[list[Read], list[Read]]:
        return engine.texts(lying, some), engine.texts(lying, some, upside_down=True)

    found = orientation.find(boxes, both_ways)
    height, width = image.shape[:2]
    known = {turn(box, found.rotation, width, height): read for box, read in found.read.items()}
    image, boxes = _turn(image, boxes, found.rotation)
    return image, boxes, known, (quarter + found.rotation) % 360


def _turn(image: Pixels, boxes: list[Box], rotation: int) -> tuple[Pixels, list[Box]]:
    height, width = image.shape[:2]
    return ocr.turned(image, rotation), [turn(box, rotation, width, height) for box in boxes]
