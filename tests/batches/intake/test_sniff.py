import pytest

from batches.intake import sniff
from tests.batches.intake import pictures


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (pictures.jpeg(), sniff.JPEG),
        (pictures.encoded(pictures.marked(), "PNG"), sniff.PNG),
        (pictures.encoded(pictures.marked(), "WEBP"), sniff.WEBP),
        (pictures.tiff([(20, 20)]), sniff.TIFF),
        (pictures.tiff([(20, 20)], big_tiff=True), sniff.TIFF),
        (b"MM\0*rest", sniff.TIFF),
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
        (b"%PDF-1.7\n", "PDF"),
        (b"\xef\xbb\xbfjunk before %PDF-1.4", "PDF"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"\0\0\0\x18ftypisom", "video"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"GIF89a", "GIF"),
        (b"\0\0\0\x0cjP  ", "JPEG 2000"),
        (b"AT&TFORM", "DjVu"),
        (b"  <svg xmlns=", "SVG"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"Shelfmark;Author", None),
        (b"", None),
    ],
)
def test_other_files_are_called_by_their_name(data: bytes, name: str | None):
    assert sniff.name_of(data) == name
