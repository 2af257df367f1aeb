import pytest
from PIL import Image

from batches.intake import frame
from tests.batches.intake import papers


def card(seed: int = 1) -> Image.Image:
    image = papers.ruled(papers.paper(seed))
    for line in range(5):
        papers.written(image, f"Halvorsen, Elin: Seven Songs {line}", ink=(50, 50, 50), at=(200, 200 + 140 * line))
    return image


def on(colour: tuple[int, int, int], image: Image.Image) -> Image.Image:
    scan = Image.new("RGB", (image.width + 300, image.height + 200), colour)
    scan.paste(image, (200, 50))
    return scan


@pytest.mark.parametrize("colour", [(10, 10, 10), (254, 254, 254)])
def test_the_scanner_s_background_is_cut_off(colour: tuple[int, int, int]):
    found = frame.find(papers.scanned(on(colour, card())), trim=True, straighten=False)
    assert found is not None
    box, tilt = found
    wanted = (200 / 1800, 50 / 1200, 1700 / 1800, 1050 / 1200)
    assert box == pytest.approx(wanted, abs=0.012)
    assert tilt == 0


@pytest.mark.parametrize(
    "scan",
    [card(2), papers.paper(3), Image.new("RGB", papers.SIZE, "white"), Image.new("RGB", papers.SIZE, "black")],
    ids=["a card without a frame", "empty paper", "white", "black"],
)
def test_without_a_frame_nothing_is_cut_off(scan: Image.Image):
    assert frame.find(papers.scanned(scan), trim=True, straighten=False) is None


def test_writing_on_a_white_card_is_no_frame():
    white = papers.written(Image.new("RGB", papers.SIZE, "white"), "Halvorsen, Elin", ink=(0, 0, 0), size=90)
    assert frame.find(papers.scanned(white), trim=True, straighten=False) is None


@pytest.mark.parametrize("turn", [0, 90])
@pytest.mark.parametrize("degrees", [-2.0, 1.5, 3.0])
def test_lines_are_set_level(degrees: float, turn: int):
    scan = papers.scanned(papers.askew(card(4), degrees)).rotate(turn, expand=True)
    found = frame.find(scan, trim=False, straighten=True)
    assert found is not None
    assert found[1] == pytest.approx(-degrees, abs=0.3)
    assert found[0] == (0.0, 0.0, 1.0, 1.0)


def test_what_lies_level_is_not_turned():
    assert frame.find(papers.scanned(card(5)), trim=False, straighten=True) is None
    assert frame.find(papers.scanned(papers.paper(6)), trim=False, straighten=True) is None
