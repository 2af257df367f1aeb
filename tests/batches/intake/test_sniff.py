import io
import zipfile

import pytest
from PIL import Image

from batches.intake import sniff
from tests.batches.intake import pictures


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"x" * 2000)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (pictures.jpeg(), sniff.JPEG),
        (pictures.encoded(pictures.marked(), "PNG"), sniff.PNG),
        (pictures.encoded(pictures.marked(), "WEBP"), sniff.WEBP),
        (pictures.tiff([(20, 20)]), sniff.TIFF),
        (pictures.tiff([(20, 20)], big_tiff=True), sniff.TIFF),
        (b"MM\0*rest", sniff.TIFF),
        (pictures.encoded(pictures.marked(), "AVIF"), sniff.AVIF),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", sniff.AVIF),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", sniff.HEIC),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", sniff.HEIC),
        (b"\0\0\0\x10ftypmif1\0\0\0\0avif", sniff.HEIC),  # what follows the box says nothing
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", None),
        (pictures.encoded(pictures.marked(), "JPEG2000"), sniff.JPEG2000),
        (pictures.encoded(pictures.marked(), "JPEG2000", no_jp2=True), sniff.JPEG2000),
        (pictures.encoded(pictures.marked(), "BMP"), sniff.BMP),
        (b"BMW: cards about cars, and nothing else", None),
        (pictures.encoded(pictures.marked(), "GIF"), sniff.GIF),
        (pictures.encoded(pictures.marked(), "PDF"), sniff.PDF),
        (b"\xef\xbb\xbf\r\na line of the scanner's\r\n%PDF-1.4", sniff.PDF),
        (b"Rar!\x1a\x07%PDF-1.4", None),
        (zipped("card.jpg"), sniff.ZIP),
        (b"PK\x05\x06" + bytes(18), sniff.ZIP),
        (zipped("[Content_Types].xml"), None),
        (zipped("mimetype"), None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"", None),
        (b"\xff\xd8", None),
    ],
)
def test_the_first_bytes_decide(data: bytes, found: sniff.Format | None):
    assert sniff.sniff(data[: sniff.HEAD]) is found


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypisom", "video"),
        (zipped("[Content_Types].xml"), "Office"),
        (b"\xd0\xcf\x11\xe0", "Office"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (bytes(257) + b"ustar", "tar"),
        (b"AT&TFORM", "DjVu"),
        (b"  <svg xmlns=", "SVG"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"Shelfmark;Author", None),
        (b"", None),
    ],
)
def test_other_files_are_called_by_their_name(data: bytes, name: str | None):
    assert sniff.name_of(data[: sniff.HEAD]) == name


def test_pillow_knows_the_formats_by_these_names():
    Image.init()
    apart = {sniff.HEIC, sniff.PDF}  # others read them
    assert {read.name for read in sniff.READ if read not in apart} <= set(Image.OPEN)
