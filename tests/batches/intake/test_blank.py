from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from batches.intake import blank
from tests.batches.intake import papers

EMPTY = {
    "paper": papers.paper(),
    "coarse paper": papers.paper(2, grain=12),
    "brown paper": papers.paper(3, colour=(180, 150, 110)),
    "grey paper": papers.paper(4, colour=(120, 120, 120)),
    "white": Image.new("RGB", papers.SIZE, "white"),
    "bitonal": Image.new("L", (970, 600), 255),
    "punched": papers.punched(papers.paper(5)),
    "punched at the edge": papers.punched(papers.paper(6), (750, 990), 40),
    "ruled": papers.ruled(papers.paper(7)),
    "ruled and punched": papers.punched(papers.ruled(papers.paper(8))),
    "ruled, askew": papers.askew(papers.ruled(papers.paper(9)), 1.2),
    "framed": papers.framed(papers.paper(10)),
    "framed, askew": papers.askew(papers.framed(papers.paper(11)), -1.5),
    "dusty": papers.dusty(papers.paper(12)),
    "on black": papers.bordered(papers.paper(13)),
    "ruled and punched, on black": papers.bordered(papers.punched(papers.ruled(papers.paper(14)))),
}
LITTLE = {
    "a pencilled year": papers.written(papers.paper(20), "1979"),
    "two pencilled figures": papers.written(papers.paper(21), "12", ink=(160, 155, 145)),
    "one pencilled letter": papers.written(papers.paper(22), "A", size=60, ink=(150, 145, 140)),
    "a faint word": papers.written(papers.paper(23), "Bergen", size=45, ink=(185, 178, 160)),
    "a word on ruled paper": papers.written(papers.ruled(papers.paper(24)), "Bergen", at=(300, 225)),
    "a number in a frame": papers.written(papers.framed(papers.paper(25)), "12/4", size=60, ink=(120, 110, 140)),
    "a typed shelfmark": papers.written(papers.paper(26), "M 12", size=30, ink=(60, 60, 60), font="courier-prime-400"),
    "small type": papers.written(papers.paper(27), "see Vol. 2", size=22, ink=(90, 90, 90), font="courier-prime-400"),
    "a broad felt pen": papers.written(papers.paper(28), "M", size=600, ink=(30, 30, 30), at=(400, 150)),
    "white on black": Image.eval(
        papers.written(papers.paper(29), "Bergen", ink=(90, 90, 90)), lambda value: 255 - value
    ),
}


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_stands_on_it(name: str):
    assert blank.is_blank(papers.scanned(EMPTY[name]))


@pytest.mark.parametrize("name", LITTLE)
def test_however_little_stands_on_it(name: str):
    assert not blank.is_blank(papers.scanned(LITTLE[name]))


def test_of_a_tiny_image_nothing_is_said():
    assert not blank.is_blank(Image.new("L", (150, 100), 255))


@pytest.mark.cards
def test_no_real_card_is_blank_however_faded(cards_folder: Path):
    found = []
    for path in sorted([*cards_folder.glob("*.png"), *cards_folder.glob("*.jpg")]):
        with Image.open(path) as image:
            image.thumbnail((blank.SIDE, blank.SIDE), reducing_gap=1.5)
            for share in (1.0, 0.1):
                if blank.is_blank(papers.scanned(papers.faded(image, share))):
                    found.append((path.name, share))
    assert found == []


def test_of_the_sample_cards_one_is_blank():
    found = []
    for path in sorted((Path(__file__).resolve().parents[3] / "batches" / "samples").glob("*.jpg")):
        with Image.open(path) as image:
            if blank.is_blank(image.convert("L")):
                found.append(path.name)
    assert found == ["music-08.jpg"]


@pytest.mark.parametrize("shape", [(800, 1), (1, 800), (1, 1), (7, 800)])
def test_an_image_narrower_than_a_stroke_is_looked_at_all_the_same(shape: tuple[int, int]):
    assert not blank.strokes(np.full(shape, 200, np.uint8)).any()
