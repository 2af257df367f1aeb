"""Cards found on a sheet: drawn ones, and real ones laid on a sheet here, in memory."""

import random
from functools import cache
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from batches.intake import decoders, sheets
from batches.intake.regions import in_order, overlap, sameness, within

Sheet = tuple[Image.Image, list[list[int]]]
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


def paper(card: Image.Image, grey: int = 250) -> Image.Image:
    """White as the sheet below it."""
    return card.point(lambda value: value * grey // 255)


def laid_white(cards: list[Image.Image], columns: int, *, gap: int, margin: int, shadow: int, seam: int = 0) -> Sheet:
    """Cards on white: each throws a faint shadow to the right and below; where they touch there is a thin seam."""
    wide, high = max(card.width for card in cards), max(card.height for card in cards)
    rows = -(-len(cards) // columns)
    size = (2 * margin + columns * wide + (columns - 1) * gap, 2 * margin + rows * high + (rows - 1) * gap)
    sheet, places = Image.new("RGB", size, (250, 250, 250)), []
    for number, card in enumerate(cards):
        x, y = margin + number % columns * (wide + gap), margin + number // columns * (high + gap)
        places.append([x, y, card.width, card.height])
        for step in range(6 if shadow else 0, 0, -1):
            grey = 250 - shadow * (7 - step) // 6
            box = (x + step, y + step, x + card.width + step, y + card.height + step)
            sheet.paste((grey, grey, grey), box)
    for card, (x, y, _wide, _high) in zip(cards, places, strict=True):
        sheet.paste(paper(card), (x, y))
        if seam:
            pen = ImageDraw.Draw(sheet)
            right, low = x + card.width - 2, y + card.height - 2
            for line in ((right, y, right, low), (x, low, right, low)):
                pen.line(line, fill=(250 - seam,) * 3, width=2)
    return sheet, places


@pytest.mark.parametrize(("number", "columns"), [(2, 1), (2, 2), (4, 2), (6, 3)])
def test_white_cards_on_white_are_found_by_their_shadows(number: int, columns: int) -> None:
    sheet, places = laid_white([drawn(colour="white")] * number, columns, gap=70, margin=60, shadow=24)
    assert are_there(find(sheet), places)


@pytest.mark.parametrize("background", [DARK, (250, 250, 250)])
@pytest.mark.parametrize(("number", "columns"), [(2, 1), (4, 2), (6, 2)])
def test_cards_that_touch_are_parted_at_their_seams(
    background: tuple[int, int, int], number: int, columns: int
) -> None:
    block, places = laid_white([drawn(colour="white")] * number, columns, gap=0, margin=0, shadow=0, seam=30)
    sheet = Image.new("RGB", (block.width + 120, block.height + 120), background)
    sheet.paste(block, (60, 60))
    assert are_there(find(sheet), [[x + 60, y + 60, *size] for x, y, *size in places])


def test_two_of_three_cards_that_touch_are_parted() -> None:
    sheet = Image.new("RGB", (1020, 2000), DARK)
    pair, places = laid_white([drawn(colour="white")] * 2, 1, gap=0, margin=0, shadow=0, seam=30)
    sheet.paste(pair, (60, 60))
    sheet.paste(drawn(colour="white"), (60, 1300))
    assert are_there(find(sheet), [[60, 60 + y, *size] for _x, y, *size in places] + [[60, 1300, 900, 560]])


def test_a_lined_card_is_not_cut_at_its_rules() -> None:
    card = Image.new("RGB", (860, 1220), "white")  # two halves would have a card's shape, too
    for row in range(1, 24):
        ImageDraw.Draw(card).line((0, row * 51, 860, row * 51), fill=(150, 170, 220), width=3)
    assert find(card) == []
    ruled = drawn((860, 1220))
    ImageDraw.Draw(ruled).line((40, 610, 820, 610), fill=(60, 60, 60), width=3)  # printed, not from edge to edge
    assert find(ruled) == []


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


@cache
def shrunk(path: Path, side: int) -> Image.Image:
    """Decoded once for all the sheets that it is laid on."""
    card = Image.open(path).convert("RGB")
    card.thumbnail((side, side))
    return card


@pytest.mark.cards
@pytest.mark.parametrize(("number", "columns"), [(2, 2), (2, 1), (4, 2)])
@pytest.mark.parametrize("askew", [0, 3])
def test_real_cards_on_one_sheet_are_found(cards_folder: Path, number: int, columns: int, askew: float) -> None:
    files = sorted(cards_folder.glob("*.jpg"))
    for start in range(0, len(files), 20):
        cards = [shrunk(path, 1200) for path in files[start : start + number]]
        sheet, places = laid(cards, columns, (60, 60, 64), askew=askew, gap=120)
        assert are_there(find(sheet), places), [path.name for path in files[start : start + number]]


def inside(card: Image.Image) -> Image.Image:
    """Without the scanner's black frame."""
    wide, high = card.size
    return card.crop((round(wide * 0.035), round(high * 0.045), round(wide * 0.965), round(high * 0.955)))


@pytest.mark.cards
@pytest.mark.parametrize(("number", "columns"), [(2, 1), (2, 2), (3, 1), (4, 2), (5, 2), (6, 3), (7, 2), (8, 4)])
@pytest.mark.parametrize("kind", ["lib_", "bl_"])
@pytest.mark.parametrize(("gap", "margin", "shadow", "seam"), [(60, 50, 24, 0), (0, 40, 24, 24), (0, 0, 0, 30)])
def test_real_cards_are_found_white_on_white_and_touching(
    cards_folder: Path, kind: str, number: int, columns: int, gap: int, margin: int, shadow: int, seam: int
) -> None:
    number -= 0 if gap else number % columns  # what touches is a whole grid
    cards = [shrunk(path, 970) for path in sorted(cards_folder.glob(f"{kind}*.jpg"))[:number]]
    if kind == "bl_":
        cards = [inside(card) for card in cards]
    sheet, places = laid_white(cards, columns, gap=gap, margin=margin, shadow=shadow, seam=seam)
    found = find(sheet)
    assert len(found) == len(places)
    assert min(map(sameness, found, places)) > 0.85


@pytest.mark.cards
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_no_real_card_is_taken_for_a_sheet(cards_folder: Path, rotation: int) -> None:
    """A quarter of them each; `benchmarks.seeing` turns all of them all ways."""
    files = [path for path in sorted(cards_folder.iterdir()) if path.suffix in {".jpg", ".png"}]
    assert len(files) == 60
    cut = []
    for path in files[rotation // 90 :: 4]:
        with Image.open(path) as card:
            card.draft("RGB", (sheets.LOOK_PX, sheets.LOOK_PX))
            small = card.convert("RGB")
        small.thumbnail((sheets.LOOK_PX, sheets.LOOK_PX), reducing_gap=2)
        if sheets.find(small.rotate(rotation, expand=True), small.size):
            cut.append(path.name)
    assert cut == []
