"""A card that nobody has seen before: large type, and a code that cannot be guessed."""

import io
import secrets
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from ocr.engines.base import ReadTask
from ocr.fields import FieldSpec, FieldType

_SIGNS = "ACDEFHJKLMNPRTUVWXY34679"  # none that looks like another
_LONG = 6
_NAMES = ("Lindqvist, Karin", "Okafor, Daniel", "Weber, Clara", "Moreau, Paul", "Tanaka, Yuki", "Silva, Ana")
_TITLES = ("Songs of the harbour", "A walk in the hills", "Letters to the north", "The clock on the wall")

TASK = ReadTask(
    (
        FieldSpec("author", "Author"),
        FieldSpec("title", "Title"),
        FieldSpec("year", "Year", FieldType.YEAR),
        FieldSpec("code", "Code", FieldType.IDENTIFIER),
    )
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A JPEG, and what stands on it."""

    jpeg: bytes
    width: int
    height: int
    code: str


def card(width: int) -> Drawn:
    """A card of the usual shape, so many pixels wide. Pillow's own font: a machine may have none."""
    height = width * 11 // 16
    code = "".join(secrets.choice(_SIGNS) for _ in range(_LONG))
    lines = (
        f"Author: {secrets.choice(_NAMES)}",
        f"Title: {secrets.choice(_TITLES)}",
        f"Year: {1850 + secrets.randbelow(140)}",
        f"Code: {code}",
    )
    image = Image.new("RGB", (width, height), (250, 246, 235))
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=height // 9)
    for number, line in enumerate(lines):
        draw.text((width // 16, height * (2 * number + 1) // 9), line, fill=(30, 30, 40), font=font)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return Drawn(buffer.getvalue(), width, height, code)


def signs_right(code: str, read: str | None) -> int:
    """How many signs of the code were read in their place."""
    said = "".join(read.split()).upper() if read else ""
    return sum(left == right for left, right in zip(code, said, strict=False))


def is_right(code: str, read: str | None) -> bool:
    return "".join((read or "").split()).upper() == code


def is_seen(code: str, read: str | None) -> bool:
    """Read with at most two signs wrong: by chance that happens once in a million times."""
    return signs_right(code, read) >= _LONG - 2
