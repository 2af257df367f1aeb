"""The pixels of an opened scan: modes, size, cutting out. Used in the sandbox child; imports no Django."""

import math
from collections.abc import Sequence
from typing import cast

from PIL import Image, ImageCms, Jpeg2KImagePlugin

from batches.intake import jpeg2000
from batches.intake.refusal import Refusal
from batches.intake.sizes import fitted


def resizable(image: Image.Image) -> Image.Image:
    """In a mode that can be resized with a filter, nothing lost."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        return _eight_bits(image)
    if image.has_transparency_data:
        return image if image.mode in {"LA", "RGBA"} else image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "LAB":
        return _from_lab(image)
    return image if image.mode in {"L", "RGB", "CMYK", "YCbCr"} else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scanners put 10, 12 or 16 bits into such files: the brightest pixel tells which."""
    grey = image.convert("F")
    low, high = cast(tuple[float, float], grey.getextrema())
    if image.mode != "F" and low >= 0 and high <= 65_535:
        low, high = 0.0, float(next(top for top in (255, 1023, 4095, 65_535) if high <= top))
    scale = 255 / ((high - low) or 1.0)
    return grey.point(lambda value: value * scale - low * scale).convert("L")


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    turned = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert turned is not None  # only in place gives None  # noqa: S101
    return turned


def opaque(image: Image.Image) -> Image.Image:
    """Grey or RGB, on white."""
    if image.mode in {"LA", "RGBA"}:
        image = image.convert("RGBA")
        paper = Image.new("RGB", image.size, "white")
        paper.paste(image, mask=image.getchannel("A"))
        return paper
    return image if image.mode in {"L", "RGB"} else image.convert("RGB")


def reduced(image: Image.Image, max_px: int | None) -> Image.Image:
    """Resize first, turn later. Asked for exact proportions, `draft` decodes a JPEG at a fraction of its size."""
    size = fitted(image.size, max_px)
    box: tuple[float, float, float, float] | None = None
    if size != image.size:
        drafted = image.draft(None, size)
        box = drafted[1] if drafted else None
        if isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile) and image.fp is not None:
            image.reduce = jpeg2000.halvings(image.fp, image.size, size)
    image.load()
    image = resizable(image)
    if size != image.size:
        image = image.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=2)
    return opaque(image)


def cut_out(image: Image.Image, crop: Sequence[int]) -> Image.Image:
    """The region, as far as it lies on the page; with a fifth number after the page is turned, see Scan.crop."""
    left, top, width, height, *tilt = crop
    if tilt:
        return _turned_out(opaque(resizable(image)), (left, top, width, height), math.radians(tilt[0] / 100))
    box = (max(0, left), max(0, top), min(image.width, left + width), min(image.height, top + height))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise Refusal("damaged", "the region lies outside of the page")
    return image.crop(box)


def _turned_out(image: Image.Image, box: tuple[int, int, int, int], tilt: float) -> Image.Image:
    """The box of the page turned about its middle. It may reach beyond the page, where a card of a sheet is set level:
    what lies there is turned into it.
    """
    left, top, width, height = box
    if width <= 0 or height <= 0:
        raise Refusal("damaged", "the region lies outside of the page")
    cos, sin, x, y = math.cos(tilt), math.sin(tilt), image.width / 2, image.height / 2
    across = (cos, -sin, cos * (left - x) - sin * (top - y) + x)
    down = (sin, cos, sin * (left - x) + cos * (top - y) + y)
    white = (255,) * len(image.getbands())
    size = (min(width, image.width + image.height), min(height, image.width + image.height))
    return image.transform(size, Image.Transform.AFFINE, (*across, *down), Image.Resampling.BICUBIC, fillcolor=white)
