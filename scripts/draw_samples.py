"""Draws the sample cards of an invented music library into batches/samples/, with what stands on them in truth.json.

    python scripts/draw_samples.py

The same every time. Fonts and their licences: scripts/fonts/.
"""

import json
import math
import random
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "batches" / "samples"
SIZE = (1240, 760)
QUALITY, MAX_BYTES = 72, 60_000

LABELS = {
    "author": "Author",
    "title": "Title",
    "place": "Place",
    "year": "Year",
    "shelfmark": "Shelfmark",
    "accession_no": "Accession no.",
    "date_acquired": "Date acquired",
}
# Where each label stands, and how far its value may run.
PLACES = {
    "author": (90, 150, 1150),
    "title": (90, 240, 1150),
    "place": (90, 390, 640),
    "year": (720, 390, 1150),
    "shelfmark": (90, 480, 640),
    "accession_no": (720, 480, 1150),
    "date_acquired": (90, 570, 1150),
}


@dataclass(frozen=True)
class Hand:
    """How values are written."""

    kind: str
    font: str
    size: int
    ink: tuple[int, int, int]
    jitter: float  # pixels that a letter or word may leave its line
    by_letter: bool  # a typewriter strikes letters, a hand writes words


TYPED = Hand("typed", "courier-prime-400.ttf", 36, (38, 36, 44), 0.7, True)
WORN = Hand("typed", "special-elite-400.ttf", 37, (44, 40, 52), 0.9, True)
PEN = Hand("handwriting", "kalam-400.ttf", 42, (34, 48, 104), 2.0, False)
PENCIL = Hand("handwriting", "caveat-700.ttf", 50, (70, 70, 78), 2.5, False)
PRINT = Hand("printed", "libre-baskerville-400.ttf", 31, (30, 28, 26), 0.0, False)


@dataclass(frozen=True)
class Sample:
    hand: Hand
    values: dict[str, str] = field(default_factory=dict)
    struck: str = ""  # a word in front of the title, struck through
    turned: int = 0  # degrees clockwise by which the card lies wrong
    paper: tuple[int, int, int] = (243, 236, 218)


def _values(*values: str) -> dict[str, str]:
    return dict(zip(LABELS, values, strict=True))


SAMPLES = [
    Sample(
        TYPED,
        _values(
            "Halvorsen, Elin",
            "Seven Songs for a Long Winter",
            "Bergen",
            "1931",
            "M 12.407",
            "1954/318",
            "14 March 1954",
        ),
    ),
    Sample(
        TYPED,
        _values(
            "Brandt, Otto",
            "Sonata in G minor for Viola and Piano",
            "Leipzig",
            "1898",
            "K 03.115",
            "1949/027",
            "2 May 1949",
        ),
        paper=(238, 229, 208),
    ),
    Sample(
        WORN,
        _values(
            "Marchetti, Lucia", "Three Nocturnes for Harp", "Torino", "1912", "H 01.044", "1951/206", "19 October 1951"
        ),
    ),
    Sample(
        TYPED,
        _values(
            "Lindqvist, Sven", "Harbour March for Brass Band", "Malmö", "1926", "B 07.380", "1956/112", "7 June 1956"
        ),
        turned=90,
        paper=(236, 232, 214),
    ),
    Sample(
        PRINT,
        _values(
            "Ashworth, Mary", "Hymns of the River Parishes", "York", "1874", "C 20.009", "1948/003", "30 January 1948"
        ),
        paper=(246, 242, 230),
    ),
    Sample(
        PEN,
        _values("Okafor, Daniel", "Market Dances, Book Two", "Lagos", "1958", "P 15.221", "1961/090", "11 April 1961"),
    ),
    Sample(
        TYPED,
        _values(
            "Duval, Jeanne",
            "Le petit théâtre: suite for flute",
            "Lyon",
            "1907",
            "F 04.618",
            "1950/144",
            "23 August 1950",
        ),
        struck="Nocturne",
        paper=(241, 231, 206),
    ),
    Sample(TYPED, paper=(240, 234, 219)),
    Sample(
        PENCIL,
        _values("Novák, Karel", "String Quartet No. 2", "Brno", "1939", "Q 02.077", "1952/259", "5 December 1952"),
        paper=(232, 226, 208),
    ),
    Sample(
        WORN,
        _values(
            "Grünewald, Anna",
            "Lieder for Low Voice, Op. 14",
            "Wien",
            "1885",
            "M 09.302",
            "1949/188",
            "16 September 1949",
        ),
        paper=(239, 228, 202),
    ),
    Sample(
        PRINT,
        _values(
            "Petersen, Niels",
            "Organ Preludes for the Church Year",
            "Odense",
            "1921",
            "O 11.056",
            "1955/071",
            "28 February 1955",
        ),
    ),
    Sample(
        TYPED,
        _values(
            "Castellanos, Inés", "Cradle Songs from the Hills", "", "1944", "M 18.530", "1957/236", "1 November 1957"
        ),
        paper=(244, 238, 224),
    ),
]


def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(HERE / "fonts" / name), size)


def paper(colour: tuple[int, int, int], chance: random.Random) -> Image.Image:
    """A tinted card with soft stains and a fine grain."""
    sheet = Image.new("RGB", SIZE, colour)
    stains = Image.frombytes("L", (16, 10), chance.randbytes(160)).resize(SIZE, Image.Resampling.BICUBIC)
    grain = Image.frombytes("L", SIZE, chance.randbytes(SIZE[0] * SIZE[1])).filter(ImageFilter.GaussianBlur(0.8))
    darker = Image.new("RGB", SIZE, tuple(part - 22 for part in colour))
    sheet = Image.composite(darker, sheet, stains.point(lambda value: value * 0.45))
    return Image.composite(darker, sheet, grain.point(lambda value: max(0, value - 110) * 0.9))


def form(draw: ImageDraw.ImageDraw) -> None:
    """What the library had printed on every card: its name and a double line."""
    head = font("libre-baskerville-400.ttf", 25)
    draw.text((SIZE[0] / 2, 66), "SANDVIK MUSIC LIBRARY", font=head, fill=(96, 60, 52), anchor="mm")
    for y in (100, 105):
        draw.line((70, y, SIZE[0] - 70, y), fill=(164, 110, 98), width=2)


def hole(draw: ImageDraw.ImageDraw) -> None:
    """For the rod that holds the cards of a drawer."""
    x, y = SIZE[0] / 2, SIZE[1] - 70
    draw.ellipse((x - 24, y - 24, x + 24, y + 24), fill=(92, 88, 82), outline=(150, 140, 126), width=3)


def write(sheet: Image.Image, at: tuple[float, float], text: str, hand: Hand, chance: random.Random) -> float:
    """Values stand on the line of their label; returns where the text ends."""
    face, (x, y) = font(hand.font, hand.size), at
    draw = ImageDraw.Draw(sheet)
    pieces = list(text) if hand.by_letter else text.split(" ")
    for piece in pieces:
        up = chance.uniform(-hand.jitter, hand.jitter)
        shade = chance.randint(0, 26) if hand.by_letter else 0
        draw.text((x, y + up), piece, font=face, fill=tuple(part + shade for part in hand.ink), anchor="ls")
        x += face.getlength(piece if hand.by_letter else f"{piece} ")
    return x if hand.by_letter else x - face.getlength(" ")


def strike(sheet: Image.Image, start: float, end: float, y: float, hand: Hand) -> None:
    draw = ImageDraw.Draw(sheet)
    for offset in (-3, 3):
        draw.line((start - 4, y - hand.size * 0.26 + offset, end + 4, y - hand.size * 0.26 + offset), hand.ink, 3)


def lines(text: str, hand: Hand, room: float) -> list[str]:
    face = font(hand.font, hand.size)
    made = [""]
    for word in text.split(" "):
        longer = f"{made[-1]} {word}".strip()
        if face.getlength(longer) <= room:
            made[-1] = longer
        else:
            made.append(word)
    return made


def draw_card(sample: Sample, chance: random.Random) -> Image.Image:
    sheet = paper(sample.paper, chance)
    draw = ImageDraw.Draw(sheet)
    hole(draw)
    if not sample.values:  # the empty back of a card
        return sheet
    form(draw)
    small = font("libre-baskerville-400.ttf", 24)
    for key, (x, top, right) in PLACES.items():
        base = top + 36
        draw.text((x, base), f"{LABELS[key]}:", font=small, fill=(96, 60, 52), anchor="ls")
        start = x + small.getlength(f"{LABELS[key]}:") + 22
        if key == "title" and sample.struck:
            end = write(sheet, (start, base), sample.struck, sample.hand, chance)
            strike(sheet, start, end, base, sample.hand)
            base += 62
        for line in lines(sample.values[key], sample.hand, right - start):
            write(sheet, (start, base), line, sample.hand, chance)
            base += 62
    return sheet


def scanned(sheet: Image.Image, sample: Sample, chance: random.Random) -> Image.Image:
    """A little askew, a little soft, and lying as somebody put it on the glass."""
    angle = chance.uniform(-0.7, 0.7)
    spread = math.ceil(SIZE[0] * math.sin(math.radians(0.7)))
    glass = Image.new("RGB", (SIZE[0] + spread, SIZE[1] + spread), (58, 56, 54))
    glass.paste(sheet, (spread // 2, spread // 2))
    scan = glass.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(58, 56, 54)).filter(ImageFilter.GaussianBlur(0.5))
    turns = {90: Image.Transpose.ROTATE_270, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_90}
    return scan.transpose(turns[sample.turned]) if sample.turned else scan


def truth(name: str, sample: Sample) -> dict[str, object]:
    return {
        "file": name,
        "kind": sample.hand.kind if sample.values else "blank",
        "rotate_cw_to_upright": -sample.turned % 360,
        "fields": {key: sample.values.get(key, "") for key in LABELS},
        "struck": sample.struck,
    }


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    rows = []
    for number, sample in enumerate(SAMPLES, 1):
        chance = random.Random(number)
        path = TARGET / f"music-{number:02d}.jpg"
        scanned(draw_card(sample, chance), sample, chance).save(path, "JPEG", quality=QUALITY, optimize=True)
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise SystemExit(f"{path.name} has {size} bytes, more than {MAX_BYTES}")
        rows.append(truth(path.name, sample))
        print(path.name, size)
    text = json.dumps({"labels": LABELS, "cards": rows}, ensure_ascii=False, indent=2)
    (TARGET / "truth.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
