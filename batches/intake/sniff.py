"""What a file is, decided by its first bytes, never by its name. Plain Python: the sandbox uses it too."""

from dataclasses import dataclass

HEAD = 1024  # bytes that are enough to decide


@dataclass(frozen=True, slots=True)
class Format:
    name: str  # Pillow's, where Pillow reads it
    media_type: str
    extension: str
    container: bool = False  # may hold many scans, and be as large as that


JPEG = Format("JPEG", "image/jpeg", ".jpg")
PNG = Format("PNG", "image/png", ".png")
WEBP = Format("WEBP", "image/webp", ".webp")
TIFF = Format("TIFF", "image/tiff", ".tif", container=True)
HEIC = Format("HEIF", "image/heic", ".heic")
AVIF = Format("AVIF", "image/avif", ".avif")
JPEG2000 = Format("JPEG2000", "image/jp2", ".jp2")
BMP = Format("BMP", "image/bmp", ".bmp")
GIF = Format("GIF", "image/gif", ".gif")
PDF = Format("PDF", "application/pdf", ".pdf", container=True)
ZIP = Format("ZIP", "application/zip", ".zip", container=True)
READ = (JPEG, PNG, WEBP, TIFF, HEIC, AVIF, JPEG2000, BMP, GIF, PDF)  # that a card's scan may be
NAMES = "JPEG, PNG, TIFF, PDF, ZIP, HEIC, AVIF, WebP, JPEG 2000, BMP, GIF"  # for people

# Ends of names that say no more than the format does; anything else behind a dot belongs to the name.
EXTENSIONS = frozenset(
    {
        *(read.extension for read in READ),
        *(".jpeg", ".jpe", ".jfif", ".tiff", ".heif", ".hif", ".jpf", ".jpx", ".j2k", ".j2c", ".jpc", ".dib"),
    }
)

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0")  # classic and BigTIFF
_JPEG2000_STARTS = (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})  # bytes of the header behind the file's
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_ANY_BRANDS = frozenset({b"mif1", b"msf1"})  # the further brands say which
_OFFICE_STARTS = (b"[Content_Types].xml", b"mimetype", b"_rels/", b"META-INF/")  # of a ZIP's first name

# Known, and not read: (offset, bytes, name).
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"MM\0+", "Big-endian BigTIFF"),  # Pillow has no way to read it; hardly a program writes it
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"\xd0\xcf\x11\xe0", "Office"),
    (0, b"Rar!", "RAR"),
    (0, b"7z\xbc\xaf", "7-Zip"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\0", "xz"),
    (257, b"ustar", "tar"),
)
ARCHIVES = frozenset({"RAR", "7-Zip", "gzip", "bzip2", "xz", "tar"})


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
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith(_JPEG2000_STARTS):
        return JPEG2000
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return BMP
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    return _container(head)


def _by_brand(head: bytes) -> Format | None:
    """A picture in the boxes that films use, too."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[start : start + 4] for start in (8, *range(16, end - 3, 4))]
    first, further = brands[0], set(brands[1:])
    if first in _HEIF_BRANDS or (first in _ANY_BRANDS and further & _HEIF_BRANDS):
        return HEIC
    if first in _AVIF_BRANDS or (first in _ANY_BRANDS and further & _AVIF_BRANDS):
        return AVIF
    return HEIC if first in _ANY_BRANDS else None


def _container(head: bytes) -> Format | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None if _is_office(head) else ZIP
    # Some scanners and mail programs write a few lines in front.
    return PDF if b"%PDF-" in head and _other(head) is None else None


def _is_office(head: bytes) -> bool:
    return head.startswith(b"PK") and head[30:].startswith(_OFFICE_STARTS)


def name_of(head: bytes) -> str | None:
    """What a file that we do not read seems to be."""
    if head[4:8] == b"ftyp":
        return "video"
    if _is_office(head):
        return "Office"
    if name := _other(head):
        return name
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype", b"<html")):
        return "SVG" if b"<svg" in text else "HTML"
    return None


def _other(head: bytes) -> str | None:
    return next((name for offset, start, name in _OTHERS if head.startswith(start, offset)), None)
