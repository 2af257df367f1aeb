"""What it costs to see more on a scan than its images, part by part: `python -m benchmarks.seeing`.

CPU for the 60 real cards; and how many of them, and of their copies, are taken for what they are.
"""

import tempfile
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

from PIL import Image

from batches.intake import barcodes, blank, examining, likeness, sheets
from benchmarks import common
from benchmarks.accuracy import CARDS
from benchmarks.orientation import page_image


def cost(name: str, work: Callable[[Any], Any], things: list[Any]) -> list[Any]:
    began = time.process_time()
    made = [work(thing) for thing in things]
    print(f"{name:<44}{1000 * (time.process_time() - began) / len(things):6.1f} ms a card")
    return made


def thumbnail(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.thumbnail((320, 320), reducing_gap=2)
        return image.convert("L")


def taken_for_sheets(pages: list[str]) -> int:
    """Of all cards in all four directions."""
    small = [sheets_size(page) for page in pages]
    turned = [card.rotate(turn, expand=True) for card in small for turn in (0, 90, 180, 270)]
    found = cost("cards on a sheet", lambda card: sheets.find(card, card.size), turned)
    return sum(map(bool, found))


def sheets_size(page: str) -> Image.Image:
    with Image.open(page) as image:
        image.thumbnail((sheets.LOOK_PX, sheets.LOOK_PX), reducing_gap=2)
        return image.convert("RGB")


def main() -> None:
    common.print_machine()
    sources = sorted([*CARDS.glob("*.png"), *CARDS.glob("*.jpg")])
    with tempfile.TemporaryDirectory() as folder:
        pages = [page_image(source, folder) for source in sources]
        greys = [Image.open(page).convert("L") for page in pages]
        cost("all of it, from the page image", lambda page: examining.examine(str(page)), pages)
        empty = cost("  blank or not", blank.is_blank, greys)
        cost("  64 bits, turned each way", likeness.bits, greys)
        cost("  barcodes", barcodes.read, greys)
        cut = taken_for_sheets(pages)
        small = [thumbnail(page) for page in pages]
        cost("  laid over one other", lambda image: likeness.agreement(image, small[0]), small)
    print(f"{sum(empty)} of {len(sources)} cards are called blank")
    print(f"{cut} of {4 * len(sources)} single cards, turned each way, are taken for sheets")
    closest = max(likeness.agreement(one, other) for one, other in combinations(small, 2))
    print(f"different cards agree to {closest:.2f} at most; the same card from {likeness.SAME} on")


if __name__ == "__main__":
    main()
