"""How pages of a PDF are drawn; here in the test's process, on PDFs that are harmless."""

from pathlib import Path

import pytest
from PIL import Image

from batches.intake import pdf
from batches.intake.refusal import Refusal
from tests.batches.intake import pdfs, pictures

PIXELS = 60_000_000
A6 = (1242, 1750)  # at 300 dots an inch
TYPED = b"BT /F 12 Tf 20 20 Td (Solberg, Ingrid) Tj ET"
HIDDEN = b"BT 3 Tr /F 12 Tf 20 20 Td (Solberg, Ingrid) Tj ET"
SCAN = (596, 840)  # two pixels a point: 144 dots an inch
FINE = (2384, 3360)


@pytest.fixture
def drawn(tmp_path: Path):
    def draw(data: bytes, number: int = 1, max_pixels: int = PIXELS) -> Image.Image:
        (tmp_path / "paper.pdf").write_bytes(data)
        return pdf.draw(str(tmp_path / "paper.pdf"), number, max_pixels)

    return draw


def test_small_type_stays_legible(drawn):
    image = drawn(pdfs.pages([pdfs.block()]))
    assert (image.size, image.mode, pictures.dark_corner(image)) == (A6, "RGB", "top left")


def test_a_page_that_is_a_scan_is_as_fine_as_that(drawn):
    assert drawn(pdfs.scan(pictures.marked(SCAN))).size == SCAN
    assert drawn(pdfs.scan(pictures.marked(FINE))).size == FINE
    assert drawn(pdfs.scan(pictures.marked(SCAN), text=HIDDEN)).size == SCAN  # for searching


def test_what_is_drawn_upon_a_scan_is_legible_too(drawn):
    assert drawn(pdfs.scan(pictures.marked(SCAN), text=TYPED)).size == A6
    assert drawn(pdfs.scan(pictures.marked(FINE), text=TYPED)).size == FINE


def test_a_picture_on_a_page_does_not_make_it_a_scan(drawn):
    small = pdfs.scan(pictures.marked(FINE)).replace(b"q 298 0 0 420", b"q  99 0 0 140")
    assert drawn(small).size == A6


def test_a_scan_may_lie_in_a_form(drawn):
    form = pdfs.stream(
        b"q 149 0 0 210 0 0 cm /I Do Q",
        b"/Type/XObject/Subtype/Form/BBox[0 0 149 210]/Resources<</XObject<</I 11 0 R>>>>",
    )
    image = pdfs.stream(pictures.jpeg(FINE), pdfs.IMAGE % (*FINE, b"DeviceRGB"))
    more = b"/Resources<</XObject<</X 10 0 R>>>>"
    assert drawn(pdfs.pages([b"q 2 0 0 2 0 0 cm /X Do Q"], more=more, o10=form, o11=image)).size == FINE


def test_a_page_is_turned_as_it_says(drawn):
    image = drawn(pdfs.scan(pictures.marked(SCAN), turn=90))
    assert (image.size, pictures.dark_corner(image)) == (SCAN[::-1], "top right")


@pytest.mark.parametrize("size", [(14_400, 14_400), (14_400, 72), (1, 14_400), (3, 3)])
@pytest.mark.parametrize("max_pixels", [100_000, 1_000_000])
def test_no_page_is_drawn_larger_than_allowed(drawn, size: tuple[int, int], max_pixels: int):
    width, height = drawn(pdfs.pages([pdfs.block(size)], size=size), max_pixels=max_pixels).size
    assert 0 < width * height <= max_pixels
    assert max(width, height) <= pdf.MAX_SIDE


def test_a_scan_that_is_too_fine_is_drawn_as_fine_as_allowed(drawn):
    width, height = drawn(pdfs.scan(pictures.marked(FINE)), max_pixels=1_000_000).size
    assert 950_000 < width * height <= 1_000_000


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (pdfs.encrypted(b"secret"), "encrypted"),
        (pdfs.pages([]), "empty"),
        (b"%PDF-1.7\n%%EOF\n", "damaged"),
        (b"%PDF-1.7", "damaged"),
    ],
)
def test_each_reason_is_told_whatever_came_before(tmp_path: Path, data: bytes, kind: str):
    for number, before in enumerate((data, pdfs.encrypted(b"other"), b"%PDF-", pdfs.pages([]))):
        path = tmp_path / f"{number}.pdf"
        path.write_bytes(before)
        with pytest.raises(Refusal):
            pdf.number_of_pages(str(path))
        with pytest.raises(Refusal) as caught:
            pdf.number_of_pages(str(tmp_path / "0.pdf"))
        assert caught.value.kind == kind


def test_a_page_that_is_lost_fails_alone(tmp_path: Path):
    path = tmp_path / "paper.pdf"
    path.write_bytes(pdfs.pages([pdfs.block()]).replace(b"/Count 1", b"/Count 3"))
    assert pdf.number_of_pages(str(path)) == 3
    assert pdf.draw(str(path), 1, PIXELS).size == A6
    for number, kind in ((2, "damaged"), (4, "no_page")):
        with pytest.raises(Refusal) as caught:
            pdf.draw(str(path), number, PIXELS)
        assert caught.value.kind == kind


def test_pages_are_counted_without_being_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pdf.pypdfium2.PdfDocument, "get_page", None)
    path = tmp_path / "paper.pdf"
    path.write_bytes(pdfs.pages([b"0 g"] * 600))
    assert pdf.number_of_pages(str(path)) == 600
