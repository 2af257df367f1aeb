"""Files as people send them, and as nobody should: what each one is, and what must come of it."""

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from PIL import Image

from tests.batches.intake import odd, pdfs, pictures
from tests.batches.intake.pictures import encoded, marked, truncated

TYPE, SIZE = "FILE_TYPE_INVALID", "FILE_TOO_LARGE"
SMALL = (300, 200)
Bytes = Callable[[], bytes]


@dataclass(frozen=True)
class File:
    id: str
    make: Bytes
    cards: int = 1
    code: str = ""  # of the refusal of the whole file
    refused: int = 0  # files in it
    unreadable: int = 0  # of its cards: what their headers promise is not there
    name: str = "card.jpg"
    names: tuple[str, ...] = ()  # of the cards, where that is what it is about
    corner: str = "top left"  # where the dark one is on the first page image; empty: there is none


def small(mode: str = "RGB") -> Image.Image:
    return marked(SMALL, mode)


def _save(mode: str, kind: str, **options: Any) -> Bytes:
    return lambda: encoded(small(mode), kind, **options)


def _deep(kind: str) -> bytes:
    """Sixteen bits of grey."""
    data = b"".join(struct.pack("<H", value) for value in odd.sixteen(small("L").tobytes()))
    return encoded(Image.frombytes("I;16", SMALL, data), kind)


def images() -> Iterator[File]:
    for mode in ("L", "RGB", "CMYK"):
        yield File(f"jpeg-{mode}", _save(mode, "JPEG"))
        yield File(f"jpeg-{mode}-progressive", _save(mode, "JPEG", progressive=True))
    for turn in range(1, 9):
        for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
            yield File(f"exif-{turn}-{kind}", partial(_turned, turn, kind), corner=_corner(turn))
    for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16"):
        yield File(f"png-{mode}", _save(mode, "PNG") if mode != "I;16" else partial(_deep, "PNG"))
    for mode in ("L", "LA", "RGB", "RGBA"):
        yield File(f"png-16-bit-{mode}", partial(_png16, mode))
    yield File("webp", _save("RGB", "WEBP"))
    yield File("webp-lossless-alpha", _save("RGBA", "WEBP", lossless=True))
    yield File("webp-film", _save("RGB", "WEBP", save_all=True, append_images=[small("L")]))
    for mode in ("L", "RGB", "RGBA"):
        yield File(f"heic-{mode}", partial(_heic, mode))
        yield File(f"avif-{mode}", _save(mode, "AVIF"))
        yield File(f"jpeg2000-{mode}", _save(mode, "JPEG2000"))
    yield File("heic-10-bit", lambda: odd.heic(_grey16()))
    yield File("heic-turned", lambda: odd.heic(small(), exif=_exif(6).tobytes()), corner="top right")
    yield File("heic-two-of-which-the-second-counts", _heic_pair)
    yield File("jpeg2000-bare", _save("RGB", "JPEG2000", no_jp2=True))
    yield File("jpeg2000-lossy", _save("RGB", "JPEG2000", irreversible=True, quality_layers=[40]))
    yield File("jpeg2000-16-bit", partial(_deep, "JPEG2000"))
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield File(f"bmp-{mode}", _save(mode, "BMP"))
    yield File("gif", _save("P", "GIF"))
    yield File("gif-film", _save("P", "GIF", save_all=True, append_images=[small("P").rotate(180)]))


def _turned(turn: int, kind: str) -> bytes:
    return encoded(small(), kind, exif=_exif(turn))


def _exif(turn: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif


def _corner(turn: int) -> str:
    corners = ("top left", "top right", "bottom right", "bottom left")
    return (*corners, corners[0], corners[1], corners[2], corners[3])[turn - 1]


def _png16(mode: str) -> bytes:
    return odd.png(small(mode))


def _heic(mode: str) -> bytes:
    return odd.heic(small(mode))


def _grey16() -> Image.Image:
    return Image.open(io.BytesIO(_deep("PNG")))


def _heic_pair() -> bytes:
    return odd.heic(small().rotate(180), save_all=True, append_images=[small()], primary_index=1)


def tiffs() -> Iterator[File]:
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield File(f"tiff-{compression}", _save("1", "TIFF", compression=compression))
    for compression in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "zstd", "lzma"):
        yield File(f"tiff-{compression}", _save("RGB", "TIFF", compression=compression))
    for mode in ("L", "RGB", "CMYK"):
        for bits in (8, 16):
            for planar in (False, True):
                options: dict[str, Any] = {"bits": bits, "planar": planar, "deflate": planar and mode == "RGB"}
                name = f"tiff-{mode}-{bits}{'-planar' * planar}"
                yield File(name, partial(_odd_tiff, mode, **options))
                yield File(f"{name}-big", partial(_odd_tiff, mode, big=True, **options))
                yield File(f"{name}-motorola", partial(_odd_tiff, mode, order=">", **options))
    yield File("tiff-big-motorola", partial(_odd_tiff, "RGB", order=">", big=True), 0, TYPE)
    yield File("tiff-12-pages", lambda: pictures.tiff([SMALL] * 12, compression="tiff_lzw"), 12)
    yield File("tiff-12-pages-big", lambda: pictures.tiff([SMALL] * 12, big_tiff=True), 12)
    yield File("tiff-of-all-modes", _mixed_tiff, 4)
    yield File("tiff-too-many-pages", lambda: odd.pages(2001), 0, SIZE)
    yield File("tiff-second-page-cut-off", _half_tiff, 2, unreadable=1)


def _odd_tiff(mode: str, **options: Any) -> bytes:
    return odd.tiff(small(mode), **options)


def _mixed_tiff() -> bytes:
    first, *rest = [small(mode) for mode in ("RGB", "1", "L", "CMYK")]
    return encoded(first, "TIFF", save_all=True, append_images=rest)


def _half_tiff() -> bytes:
    """The directories stand in front of the second page's pixels, as some scanners write them."""
    first = odd.tiff(small())
    place = struct.unpack_from("<L", first, 4)[0]
    tags = 2 + 10 * 12
    second = bytearray(first[place:])
    for number in range(10):
        tag = struct.unpack_from("<H", second, 2 + number * 12)[0]
        if tag == 273:
            struct.pack_into("<L", second, 2 + number * 12 + 8, len(first) + len(second))
        if tag == 258:  # the bits, which lie behind the directory
            struct.pack_into("<L", second, 2 + number * 12 + 8, len(first) + tags + 4)
    return first[: place + tags] + struct.pack("<L", len(first)) + first[place + tags + 4 :] + bytes(second) + b"pixels"


def grainy() -> Image.Image:
    """Its pixels take more bytes than its head by far, so that a cut goes through them."""
    return Image.effect_noise((400, 300), 60).convert("RGB")


def broken() -> Iterator[File]:
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "BMP", "GIF"):
        whole = partial(encoded, grainy(), kind)
        refused = kind in {"WEBP", "AVIF"}  # they are read whole
        came = {"cards": 0, "code": TYPE} if refused else {"cards": 1, "unreadable": 1}
        yield File(f"cut-off-{kind}", partial(_cut, whole), **came)  # type: ignore[arg-type]
        yield File(f"head-alone-{kind}", partial(_head, whole), 0, TYPE)
    yield File("cut-off-heic", lambda: truncated(odd.heic(grainy())), unreadable=1)
    yield File("empty", lambda: b"", 0, TYPE)
    yield File("text", lambda: b"Shelfmark;Author;Title\n" * 100, 0, TYPE)
    yield File("zeros", lambda: bytes(100_000), 0, TYPE)
    yield File("page-of-the-web", lambda: b"<!DOCTYPE html><script>alert(1)</script>", 0, TYPE)
    yield File("svg", lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', 0, TYPE)
    yield File("film", lambda: b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + bytes(5000), 0, TYPE)
    yield File("postscript", lambda: b"%!PS-Adobe-3.0\n(/etc/passwd) run", 0, TYPE)
    yield File("jpeg-that-is-php", lambda: b"\xff\xd8\xff<?php system($_GET[0]); ?>", 0, TYPE)
    yield File("png-called-jpg", _save("RGB", "PNG"), name="really.jpg", names=("really.jpg",))
    yield File("too-large", lambda: pictures.jpeg(SMALL) + bytes(2_000_000), 0, SIZE)  # the test's limit is lower


def _cut(whole: Bytes) -> bytes:
    return truncated(whole(), 0.6)


def _head(whole: Bytes) -> bytes:
    return whole()[:16]


def bombs() -> Iterator[File]:
    yield File("bomb-png", pictures.png_bomb, 0, SIZE)
    yield File("bomb-gif", lambda: _gif_of(65_535), 0, SIZE)
    yield File("bomb-bmp", lambda: _bmp_of(40_000, 40_000), 0, SIZE)
    yield File("bomb-jpeg", _jpeg_of, 0, SIZE)
    yield File("bomb-tiff", partial(_odd_tiff, "RGB", size=(60_000, 60_000)), 0, SIZE)
    yield File("bomb-tiff-in-planes", partial(_odd_tiff, "CMYK", bits=16, planar=True, size=(60_000, 60_000)), 0, SIZE)
    yield File("bomb-jpeg2000", lambda: _replaced("JPEG2000", b"ihdr", ">LL", (60_000, 60_000), 4), 0, SIZE)
    yield File("lie-bmp", lambda: _bmp_of(5000, 5000), unreadable=1)
    yield File("lie-tiff", partial(_odd_tiff, "RGB", size=(5000, 5000)), unreadable=1)
    yield File("lie-tiff-deflate", partial(_odd_tiff, "L", size=(7000, 7000), deflate=True), unreadable=1)
    yield File("lie-png", lambda: pictures.png_bomb(5000, 5000), corner="")  # the rest is left dark
    yield File("lie-jpeg2000", lambda: _replaced("JPEG2000", b"ihdr", ">LL", (5000, 5000), 4), unreadable=1)
    yield File("lie-gif", lambda: _gif_of(5000), unreadable=1)


def _gif_of(side: int) -> bytes:
    sides = struct.pack("<HH", side, side)
    return b"GIF89a%s\x80\0\0%s,\0\0\0\0%s\0\2\0;" % (sides, bytes(6), sides)


def _bmp_of(width: int, height: int) -> bytes:
    data = bytearray(encoded(small(), "BMP"))
    struct.pack_into("<ll", data, 18, width, height)
    return bytes(data)


def _jpeg_of(width: int = 65_500, height: int = 65_500) -> bytes:
    data = bytearray(pictures.jpeg(SMALL))
    struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, height, width)
    return bytes(data)


def _replaced(kind: str, mark: bytes, form: str, values: tuple[int, ...], behind: int = 0) -> bytes:
    data = bytearray(encoded(small(), kind))
    struct.pack_into(form, data, data.index(mark) + behind, *values)
    return bytes(data)


def documents() -> Iterator[File]:
    page = partial(pdfs.pages, [pdfs.block()])
    yield File("pdf", page, name="card.pdf")
    yield File("pdf-7-pages", lambda: pdfs.pages([pdfs.block((90, 60))] * 7, size=(90, 60)), 7)
    yield File("pdf-behind-a-line", lambda: b"\xef\xbb\xbfScanner 3000\r\n" + page())
    yield File("pdf-scan", lambda: pdfs.scan(small()))
    yield File("pdf-turned", lambda: pdfs.scan(small(), turn=180), corner="bottom right")
    yield File("pdf-for-reading-only", lambda: pdfs.encrypted(b""))
    yield File("pdf-encrypted", lambda: pdfs.encrypted(b"secret"), 0, TYPE)
    yield File("pdf-without-pages", lambda: pdfs.pages([]), 0, TYPE)
    yield File("pdf-without-anything", lambda: b"%PDF-1.7\n%%EOF\n", 0, TYPE)
    yield File("pdf-cut-off", lambda: truncated(pdfs.scan(marked((900, 600)))), 0, TYPE)
    yield File("pdf-that-is-its-own-page", _own_page, 0, TYPE)
    yield File("pdf-too-many-pages", lambda: pdfs.pages([b"0 g"] * 2001), 0, SIZE)
    yield File("pdf-counts-wrongly", lambda: page().replace(b"/Count 1", b"/Count 4"), 4, unreadable=3)
    yield File("pdf-thin-page", lambda: pdfs.pages([b"0 g"], size=(1, 14_400)), corner="")
    yield File("pdf-bomb-of-strokes", _strokes, 2, unreadable=1)
    yield File("pdf-bomb-of-forms", _forms, unreadable=1)


def _own_page() -> bytes:
    return pdfs.written({1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[2 0 R]/Count 1>>"})


def _strokes() -> bytes:
    """A page of a few kilobytes that takes minutes, and one behind it that is harmless."""
    strokes = pdfs.stream(b"0 0 m 298 420 l 10 10 l h f\n" * 1_000_000, deflate=True)
    return pdfs.pages([pdfs.block(), strokes])


def _forms() -> bytes:
    """Ten times ten times ten …"""
    head = b"/Type/XObject/Subtype/Form/BBox[0 0 298 420]/Resources<</XObject<</X %d 0 R>>>>"
    forms = {f"o{n}": pdfs.stream(b"/X Do " * 10, head % (n + 1)) for n in range(10, 22)}
    forms["o22"] = pdfs.stream(b"0 0 m 298 420 l S", head % 22)
    return pdfs.pages([b"/X Do"], more=b"/Resources<</XObject<</X 10 0 R>>>>", **forms)
