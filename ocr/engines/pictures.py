"""What a request shows of a card: its sides each for itself, or as one picture where a model takes a single one."""

import base64
from functools import cached_property
from io import BytesIO

from PIL import Image

from ocr.engines.base import Layout, Prepared
from ocr.errors import UnreadableImage

BAND = 24  # pixels between the two sides
GREY = (128, 128, 128)
QUALITY = 85


class Pictures:
    """Of one card, as data addresses; the joined one is made when it is asked for."""

    def __init__(self, image: Prepared) -> None:
        self._sides = [side for side in (image, image.back) if side is not None]
        self._read = [_bytes(side) for side in self._sides]

    @property
    def number(self) -> int:
        return len(self._sides)

    def of(self, images: int, max_px: int | None) -> tuple[Layout, list[bytes]]:
        """For a model that takes so many images, the longest side of each at most so many pixels, where that is known.

        Raises UnreadableImage.
        """
        if len(self._sides) == 1:
            return Layout.ONE, self._apart
        return (Layout.TWO, self._apart) if images > 1 else self._joined(max_px)

    @cached_property
    def _apart(self) -> list[bytes]:
        return [_address(side.media_type, data) for side, data in zip(self._sides, self._read, strict=True)]

    def _joined(self, max_px: int | None) -> tuple[Layout, list[bytes]]:
        try:
            front, back = (Image.open(BytesIO(data)).convert("RGB") for data in self._read)
        except (OSError, ValueError) as error:
            raise UnreadableImage("The prepared image cannot be opened.") from error
        below = (max(front.width, back.width), front.height + BAND + back.height)
        beside = (front.width + BAND + back.width, max(front.height, back.height))
        layout, size = (Layout.BELOW, below) if max(below) <= max(beside) else (Layout.BESIDE, beside)
        paper = Image.new("RGB", size, GREY)
        paper.paste(front, (0, 0))
        paper.paste(back, (0, front.height + BAND) if layout is Layout.BELOW else (front.width + BAND, 0))
        if max_px:
            paper.thumbnail((max_px, max_px))
        made = BytesIO()
        paper.save(made, "JPEG", quality=QUALITY)
        return layout, [_address("image/jpeg", made.getvalue())]


def _bytes(image: Prepared) -> bytes:
    try:
        return image.path.read_bytes()
    except OSError as error:
        raise UnreadableImage("The prepared image cannot be opened.") from error


def _address(media_type: str, data: bytes) -> bytes:
    return b"data:%s;base64,%s" % (media_type.encode(), base64.b64encode(data))
