"""Scans drawn for the tests: ordinary, odd and hostile."""

import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def marked(size: tuple[int, int] = (600, 400), mode: str = "RGB") -> Image.Image:
    """Ivory with a dark block in the upper left corner, so that it shows which way up it is, and a line of strokes."""
    image = Image.new("RGB", size, "ivory")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0] // 3, size[1] // 3), fill=(20, 20, 60))
    for x in range(size[0] // 4, size[0] * 3 // 4, max(3, size[0] // 40)):
        draw.line(
            (x, size[1] * 2 // 3, x + size[0] // 80, size[1] * 2 // 3 + size[1] // 20), fill=(60, 60, 60), width=2
        )
    return image.convert(mode)


def jpeg(size: tuple[int, int] = (600, 400), mode: str = "RGB", **options: Any) -> bytes:
    return encoded(marked(size, mode), **options)


def turned_by_exif(orientation: int, size: tuple[int, int] = (600, 400)) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(size, exif=exif)


def tiff(sizes: Sequence[tuple[int, int]], **options: Any) -> bytes:
    first, *rest = [marked(size) for size in sizes]
    return encoded(first, "TIFF", save_all=True, append_images=rest, **options)


def truncated(data: bytes, share: float = 0.5) -> bytes:
    return data[: int(len(data) * share)]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A few kilobytes that say they are 2.5 thousand million pixels."""
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = b"\0" * (1 + width // 8)
    pixels = zlib.compress(row * 200, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def dark_corner(image: Image.Image) -> str:
    """Where the dark block of `marked` lies now."""
    grey = image.convert("L")
    x, y = grey.width // 8, grey.height // 8
    corners = {
        "top left": (x, y),
        "top right": (grey.width - 1 - x, y),
        "bottom left": (x, grey.height - 1 - y),
        "bottom right": (grey.width - 1 - x, grey.height - 1 - y),
    }
    return min(corners, key=lambda name: grey.getpixel(corners[name]))  # type: ignore[arg-type, return-value]
