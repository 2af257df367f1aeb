"""Cards found on a sheet: drawn ones, and real ones laid on a sheet here, in memory."""

import random
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from batches.intake import decoders, sheets
from batches.intake.regions import in_order, overlap, sameness, within

DARK, GREY, BLUE, LIGHT = (14, 14, 16), (128, 128, 128), (30, 60, 120), (250, 250, 252)


def drawn(size: tuple[int, int] = (900, 560), colour: str = "ivory") -> Image.Image:
    """A card with lines of text, one of them up to its edge."""
    card = Image.new("RGB", size, colour)
    pen = ImageDraw.Draw(card)
    for row in range(6):
        pen.line((60 + 20 * row, 70 + 70 * row, size[0] - 90 * row, 70 + 70 * row), fill=(40, 40, 60), width=9)
    pen.line((0, 300, 500, 300), fill=(40, 40, 60), width=6)
    return card


def laid(
    cards: list[Image.Image], columns: int, background: tuple[int, int, int], *, askew: float = 0, gap: int = 70
) -> tuple[Image.Image, list[list[int]]]:
    """A sheet with these cards, and where they lie."""
    chance = random.Random(7)
    wide, high = max(card.width for card in cards), max(card.height for card in cards)
    rows = -(-len(cards) // columns)
    sheet = Image.new("RGB", (columns * (wide + gap) + gap, rows * (high + gap) + gap), background)
    places = []
    for number, card in enumerate(cards):
        angle = chance.uniform(-askew, askew)
        mask = Image.new("L", card.size, 255).rotate(angle, expand=True, resample=Image.Resampling.BICUBIC)
        turned = card.rotate(angle, expand=True, resample=Image.Resampling.BICUBIC)
        x, y = gap + number % columns * (wide + gap), gap + number // columns * (high + gap)
        sheet.paste(turned, (x, y), mask)
        places.append([x, y, turned.width, turned.height])
    return sheet, places


def find(sheet: Image.Image) -> list[list[int]]:
    small = sheet.copy()
    small.thumbnail((sheets.LOOK_PX, sheets.LOOK_PX))
    return [list(region) for region in sheets.find(small, sheet.size)]


def are_there(found: list[list[int]], places: list[list[int]]) -> bool:
    """In this order, each with a little around it and nothing of its neighbours."""
    same = [sameness(one, other) for one, other in zip(found, places, strict=False)]
    return len(found) == len(places) and min(same, default=0) > 0.9


@pytest.mark.parametrize("background", [DARK, GREY, BLUE, LIGHT])
@pytest.mark.parametrize(("number", "columns"), [(2, 2), (2, 1), (3, 1), (4, 2), (12, 3)])
def test_cards_are_found_in_reading_order(background: tuple[int, int, int], number: int, columns: int) -> None:
    colour = "peru" if background == LIGHT else "ivory"
    sheet, places = laid([drawn(colour=colour)] * number, columns, background)
    assert are_there(find(sheet), places)


@pytest.mark.parametrize("askew", [2, 5])
def test_cards_may_lie_a_little_askew(askew: float) -> None:
    sheet, places = laid([drawn()] * 4, 2, DARK, askew=askew, gap=160)
    assert are_there(find(sheet), places)


def test_a_card_may_lie_in_the_corner_of_the_scanner() -> None:
    sheet = Image.new("RGB", (1600, 1500), DARK)
    sheet.paste(drawn(), (0, 0))
    sheet.paste(drawn(), (300, 800))
    assert are_there(find(sheet), [[0, 0, 900, 560], [300, 800, 900, 560]])


def test_a_ruler_beside_the_cards_is_none() -> None:
    sheet, places = laid([drawn(), drawn()], 1, DARK, gap=120)
    ImageDraw.Draw(sheet).rectangle((4, 200, 60, 1000), fill="white")
    assert are_there(find(sheet), places)


def test_where_cards_lie_on_each_other_none_is_proposed() -> None:
    sheet = Image.new("RGB", (2000, 2000), DARK)
    for place in ((60, 60), (700, 400), (100, 1300)):  # the first two overlap
        sheet.paste(drawn(), place)
    assert find(sheet) == []


@pytest.mark.parametrize("background", [DARK, LIGHT])
def test_one_card_alone_is_no_sheet(background: tuple[int, int, int]) -> None:
    assert find(laid([drawn()], 1, background)[0]) == []
    assert find(drawn()) == []
    assert find(Image.new("RGB", (900, 600), background)) == []


def test_a_grey_scan_and_a_tiny_one_are_looked_at_too() -> None:
    sheet, places = laid([drawn(), drawn()], 2, DARK)
    assert are_there([list(region) for region in sheets.find(sheet.convert("L"), sheet.size)], places)
    assert find(Image.new("L", (3, 2))) == []


def test_the_child_that_opens_images_looks_for_cards(tmp_path: Path) -> None:
    sheet, places = laid([drawn(), drawn()], 1, DARK)
    path = tmp_path / "sheet.png"
    sheet.save(path)
    size, found = decoders.pool().find_cards(path, 1)
    assert size == sheet.size
    assert are_there(found, places)


def test_how_regions_lie_to_one_another() -> None:
    assert sameness([0, 0, 10, 10], [0, 0, 10, 10]) == 1
    assert sameness([0, 0, 10, 10], [5, 0, 10, 10]) == pytest.approx(1 / 3)
    assert overlap([0, 0, 10, 10], [2, 2, 2, 2]) == 1
    assert overlap([0, 0, 10, 10], [20, 0, 10, 10]) == 0
    assert within([-5, 5, 20, 20], (10, 10)) == [0, 5, 10, 5]
    rows = [[0, 3, 9, 9], [20, 0, 9, 9], [0, 20, 9, 9]]
    assert in_order(rows[::-1]) == rows


@pytest.mark.cards
@pytest.mark.parametrize(("number", "columns"), [(2, 2), (2, 1), (4, 2)])
@pytest.mark.parametrize("askew", [0, 3])
def test_real_cards_on_one_sheet_are_found(cards_folder: Path, number: int, columns: int, askew: float) -> None:
    files = sorted(cards_folder.glob("*.jpg"))
    for start in range(0, len(files), 20):
        cards = [Image.open(path).convert("RGB") for path in files[start : start + number]]
        for card in cards:
            card.thumbnail((1200, 1200))
        sheet, places = laid(cards, columns, (60, 60, 64), askew=askew, gap=120)
        assert are_there(find(sheet), places), [path.name for path in files[start : start + number]]


@pytest.mark.cards
def test_no_real_card_is_taken_for_a_sheet(cards_folder: Path) -> None:
    assert [path.name for path in sorted(cards_folder.glob("*.jpg")) if find(Image.open(path))] == []
