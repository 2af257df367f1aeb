"""Barcodes and QR codes on a scan. Used in the sandbox child; imports no Django."""

from PIL import Image

FORMATS = (
    "Code128,Code39,Code93,Codabar,ITF,EAN13,EAN8,UPCA,UPCE,"  # lines
    "QRCode,MicroQRCode,DataMatrix,Aztec,PDF417"
)
WEAK = {"Codabar", "ITF", "Code 39"}  # without a check digit: rules and frames look like short ones
SHORTEST_WEAK = 5  # characters
MOST, LONGEST = 8, 300


def read(grey: Image.Image) -> list[dict[str, str]]:
    """What is written in them, each once, and what kind of code it is."""
    import zxingcpp  # here alone: most children are asked for headers only

    formats = zxingcpp.barcode_formats_from_str(FORMATS)
    found: dict[tuple[str, str], None] = {}
    for code in zxingcpp.read_barcodes(grey, formats=formats):
        kind, text = str(code.format), code.text.strip()[:LONGEST]
        if text and not (kind in WEAK and len(text) < SHORTEST_WEAK):
            found[kind, text] = None
    return [{"kind": kind, "text": text} for kind, text in list(found)[:MOST]]
