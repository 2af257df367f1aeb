import pytest
import zxingcpp
from PIL import Image

from batches.intake import barcodes
from tests.batches.intake import papers


def coded(text: str, kind: str, at: tuple[int, int] = (200, 300)) -> Image.Image:
    code = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    label = Image.fromarray(code.to_image(scale=4))
    card = papers.written(papers.paper(1), "Halvorsen, Elin", ink=(60, 60, 60))
    card.paste(label, at)
    return card


@pytest.mark.parametrize(
    ("kind", "text", "name"),
    [
        ("Code128", "M 12.407", "Code 128"),
        ("Code39", "1954318", "Code 39"),
        ("EAN13", "4006381333931", "EAN-13"),
        ("ITF", "30123456", "ITF"),
        ("QRCode", "https://example.org/object/1954-318", "QR Code"),
        ("DataMatrix", "NB-0815", "Data Matrix"),
    ],
)
@pytest.mark.parametrize("turn", [0, 90, 180])
def test_codes_are_read_whichever_way_the_scan_lies(kind: str, text: str, name: str, turn: int):
    scan = papers.scanned(coded(text, kind)).rotate(turn, expand=True)
    assert barcodes.read(scan) == [{"kind": name, "text": text}]


def test_each_code_stands_once():
    card = coded("M 12.407", "Code128")
    card.paste(card.crop((150, 250, 800, 500)), (150, 700))
    assert barcodes.read(papers.scanned(card)) == [{"kind": "Code 128", "text": "M 12.407"}]


def test_short_ones_without_a_check_digit_are_taken_for_rules():
    assert barcodes.read(papers.scanned(coded("12", "ITF"))) == []
    assert barcodes.read(papers.scanned(papers.framed(papers.ruled(papers.paper(2))))) == []
