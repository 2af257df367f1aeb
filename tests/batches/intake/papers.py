"""Empty cards as scanners see them, and what little may stand on one."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(__file__).resolve().parents[3] / "scripts" / "fonts"
SIZE = (1500, 1000)
PAPER = (236, 228, 206)


def paper(seed: int = 0, grain: float = 5, colour: tuple[int, int, int] = PAPER) -> Image.Image:
    """With grain, stains and light that falls off to one side."""
    chance = np.random.default_rng(seed)
    width, height = SIZE
    pixels = np.ones((height, width, 3)) * np.array(colour)
    pixels += chance.normal(0, grain, (height, width, 1)) + chance.normal(0, grain / 2, (height, width, 3))
    spots = chance.normal(128, 60, (height // 40, width // 40)).clip(0, 255).astype("uint8")
    stains = np.asarray(Image.fromarray(spots).resize(SIZE, Image.Resampling.BICUBIC), dtype=float)
    pixels += (stains[:, :, None] - 128) / 10
    pixels -= 6 * np.linspace(-1, 1, width)[None, :, None]
    return Image.fromarray(pixels.clip(0, 255).astype("uint8"))


def scanned(image: Image.Image) -> Image.Image:
    """As it comes out of a JPEG, grey."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("L")


def punched(image: Image.Image, at: tuple[int, int] = (750, 920), radius: int = 35) -> Image.Image:
    x, y = at
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(40, 38, 36))
    return image


def ruled(image: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(image)
    for y in range(150, image.height - 40, 70):
        draw.line((0, y, image.width, y + 2), fill=(150, 170, 190), width=2)
    draw.line((0, 120, image.width, 120), fill=(200, 90, 90), width=3)
    return image


def framed(image: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(image)
    draw.rectangle((60, 60, image.width - 60, image.height - 60), outline=(60, 60, 60), width=3)
    draw.line((60, 200, image.width - 60, 200), fill=(60, 60, 60), width=3)
    draw.line((900, 60, 900, image.height - 60), fill=(60, 60, 60), width=2)
    return image


def dusty(image: Image.Image, specks: int = 40) -> Image.Image:
    chance, draw = np.random.default_rng(1), ImageDraw.Draw(image)
    for _ in range(specks):
        x, y, size = int(chance.integers(image.width)), int(chance.integers(image.height)), int(chance.integers(1, 5))
        draw.ellipse((x, y, x + size, y + size), fill=(90, 90, 90))
    return image


def bordered(image: Image.Image) -> Image.Image:
    """A little askew on the scanner's black."""
    black = Image.new("RGB", (image.width + 80, image.height + 80), (12, 12, 12))
    black.paste(image.rotate(0.7, fillcolor=(12, 12, 12)), (40, 40))
    return black


def askew(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, fillcolor=PAPER, resample=Image.Resampling.BICUBIC)


def written(
    image: Image.Image,
    text: str,
    *,
    size: int = 50,
    ink: tuple[int, int, int] = (170, 165, 155),
    font: str = "caveat-700",
    at: tuple[int, int] = (300, 400),
) -> Image.Image:
    """By default in pale pencil."""
    face = ImageFont.truetype(str(FONTS / f"{font}.ttf"), size)
    ImageDraw.Draw(image).text(at, text, font=face, fill=ink)
    return image


def faded(image: Image.Image, share: float) -> Image.Image:
    """With this share of its contrast to the paper left."""
    pixels = np.asarray(image.convert("RGB"), dtype=float)
    ground = np.percentile(pixels.reshape(-1, 3), 80, axis=0)
    return Image.fromarray((ground + (pixels - ground) * share).clip(0, 255).astype("uint8"))
