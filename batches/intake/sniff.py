"""What a file is, decided by its first bytes, never by its name. Plain Python: the sandbox uses it too."""

from dataclasses import dataclass

HEAD = 1024  # bytes that are enough to decide


@dataclass(frozen=True, slots=True)
class Format:
    name: str  # Pillow's
    media_type: str
    extension: str


JPEG = Format("JPEG", "image/jpeg", ".jpg")
PNG = Format("PNG", "image/png", ".png")
WEBP = Format("WEBP", "image/webp", ".webp")
TIFF = Format("TIFF", "image/tiff", ".tif")
READ = (JPEG, PNG, WEBP, TIFF)

# Ends of names that say no more than the format does; anything else behind a dot belongs to the name.
EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff"})

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # classic and BigTIFF

# Known, and not read: (offset, bytes, name).
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "PDF"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"\x00\x00\x00\x0cjP", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"\xd0\xcf\x11\xe0", "Office"),
    (0, b"Rar!", "RAR"),
    (0, b"7z\xbc\xaf", "7-Zip"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}


def sniff(head: bytes) -> Format | None:
    """The format, if it is one that we read."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return WEBP
    if head.startswith(_TIFF_STARTS):
        return TIFF
    return None


def name_of(head: bytes) -> str | None:
    """What a file that we do not read seems to be."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _HEIF_BRANDS:
            return "HEIC"
        return "AVIF" if brand.startswith(b"avi") else "video"
    for offset, start, name in _OTHERS:
        if head.startswith(start, offset):
            return name
    if b"%PDF-" in head[:HEAD]:
        return "PDF"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype", b"<html")):
        return "SVG" if b"<svg" in text else "HTML"
    return None
