"""ZIPs, and names: the other half of the corpus."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial

from PIL import Image

from tests.batches.intake import pdfs, pictures, zips
from tests.batches.intake.corpus import SIZE, TYPE, File, small
from tests.batches.intake.pictures import encoded, truncated
from tests.batches.intake.zips import Entry, card, link, ordinary, written

JPEG = pictures.jpeg((60, 40))
UMLAUTS = "Kästen/Müller & Söhne/Straße.jpg"


def archives() -> Iterator[File]:
    def of(id: str, make: object, cards: int = 1, code: str = "", refused: int = 0, **more: object) -> File:
        return File(f"zip-{id}", make, cards, code, refused, name="box.zip", **more)  # type: ignore[arg-type]

    yield of("two", lambda: ordinary({"1.jpg": JPEG, "2.jpg": JPEG}), 2)
    yield of("stored", lambda: ordinary({"1.jpg": JPEG}, zipfile.ZIP_STORED))
    yield of("streamed", lambda: zips.streamed({"a/1.jpg": JPEG}), names=("a/1.jpg",))
    yield of("wide", lambda: zips.wide({"1.jpg": JPEG}))
    yield of("folders", lambda: ordinary({"A/": b"", "A/B/": b"", "A/B/1.jpg": JPEG}), names=("A/B/1.jpg",))
    yield of("what-systems-leave", _left_behind, names=("1.jpg",))
    yield of("containers", _containers, 5)
    yield of("utf8", lambda: ordinary({UMLAUTS: JPEG}), names=(UMLAUTS,))
    yield of("utf8-unsaid", lambda: written([card(UMLAUTS.encode())]), names=(UMLAUTS,))
    yield of("cp437", lambda: written([card(UMLAUTS.encode("cp437"))]), names=(UMLAUTS,))
    yield of("name-beside", _name_beside, names=("Ładny.jpg",))
    yield of("same-name-twice", lambda: written([card(), card()]), 2, names=("card.jpg", "card.jpg"))
    yield of("traversal", _traversal, 4, names=("C:/Windows/evil-3.jpg", "etc/evil-1.jpg", "evil-2.jpg", "evil-4.jpg"))
    yield of("links", lambda: written([card(), link(), link(b"away/")]), 1, refused=1)
    yield of("pipe", lambda: written([card(), card(b"pipe.jpg", mode=stat.S_IFIFO | 0o644)]), 1, refused=1)
    yield of("one-bad", lambda: ordinary({"1.jpg": JPEG, "2.jpg": b"none", "3.jpg": JPEG}), 2, refused=1)
    yield of("all-bad", lambda: ordinary({"1.jpg": b"none", "2.jpg": b"none"}), 0, TYPE, 2)
    yield of("damaged-one", _damaged, 1, refused=1)
    yield of("nested", lambda: ordinary({"1.jpg": JPEG, "in.zip": ordinary({"2.jpg": JPEG})}), 1, refused=1)
    yield of("other-archives", _other_archives, 1, refused=2)
    yield of("encrypted", lambda: written([card(flags=1), card(b"2.jpg", flags=1)]), 0, TYPE)
    yield of("partly-encrypted", lambda: written([card(), card(b"2.jpg", flags=1)]), 1, refused=1)
    yield of("odd-method", lambda: ordinary({"1.jpg": JPEG}, zipfile.ZIP_BZIP2), 0, TYPE, 1)
    yield of("empty", lambda: ordinary({}), 0, TYPE)
    yield of("folders-alone", lambda: ordinary({"a/": b"", "__MACOSX/._a": b"x"}), 0, TYPE)
    yield of("cut-off", lambda: truncated(ordinary({"1.jpg": JPEG}), 0.7), 0, TYPE)
    yield of("in-parts", _in_parts, 0, TYPE)
    yield of("office", lambda: ordinary({"[Content_Types].xml": b"<x/>", "word/1.jpg": JPEG}), 0, TYPE)
    yield of("10000", lambda: written(Entry(b"%05d.jpg" % n, b"x") for n in range(10_000)), 0, SIZE)
    yield of("66000", _more_than_16_bits, 0, SIZE)
    yield of("overlapping", zips.overlapping, 0, TYPE)
    yield of("quoted", zips.quoted, 0, TYPE)
    yield of("says-too-much", lambda: written(card(b"%d" % n, size=2**31) for n in range(2)), 0, SIZE)
    yield of("lying-size", lambda: zips.lying_size(partial(encoded, small(), "BMP")), 0, TYPE, 1)
    yield of("lying-name", lambda: written([card(), card(b"2.jpg", local_name=b"3.jpg")]), 1, refused=1)
    yield of("lying-crc", lambda: written([card(), card(b"2.jpg", crc=1)]), 1, refused=1)
    yield of("lying-number", lambda: written([card(), card(b"2.jpg")], number=1), 0, TYPE)
    yield of("ratio", lambda: ordinary({"1.jpg": JPEG, "blank.bmp": _blank()}), 1, refused=1)
    yield of("offset-beyond", partial(_offset, 2**63 - 1), 0, TYPE)
    yield of("offset-beyond-all", partial(_offset, 2**64 - 1), 0, TYPE)
    yield of("offset-in-a-file", partial(_offset, 40), 0, TYPE)
    yield of("with-a-tail", lambda: ordinary({"1.jpg": JPEG}) + b"added by some program", 1)
    yield of("too-large-image", lambda: ordinary({"1.jpg": JPEG, "2.jpg": JPEG + bytes(2_000_000)}), 1, refused=1)


def _other_archives() -> bytes:
    return ordinary({"1.jpg": JPEG, "a.7z": b"7z\xbc\xaf" * 999, "b.gz": b"\x1f\x8b" * 999})


def _in_parts() -> bytes:
    whole = ordinary({"1.jpg": JPEG})
    return whole[:-18] + b"\1\0\1\0" + whole[-14:]


def _left_behind() -> bytes:
    junk = ("__MACOSX/._1.jpg", ".DS_Store", "a/.hidden/1.jpg", "a/Thumbs.db", "desktop.ini", ".git/config")
    return ordinary({"1.jpg": JPEG} | dict.fromkeys(junk, b"junk"))


def _containers() -> bytes:
    """A PDF or a TIFF is no archive."""
    return ordinary({"a.pdf": pdfs.pages([pdfs.block()] * 2), "b.tif": pictures.tiff([(60, 40)] * 3)})


def _name_beside() -> bytes:
    """The name in the extra field that packers write for it."""
    old = b"_adny.jpg"
    data = b"\1" + struct.pack("<L", zlib.crc32(old)) + "Ładny.jpg".encode()
    return written([card(old, extra=struct.pack("<HH", 0x7075, len(data)) + data)])


def _traversal() -> bytes:
    names = ("../../../etc/evil-1.jpg", "/evil-2.jpg", "C:\\Windows\\evil-3.jpg", "..\\..\\evil-4.jpg")
    return written(card(name.encode()) for name in names)


def _offset(place: int) -> bytes:
    """The second file's header is said to be there."""
    data = bytearray(written([card(), card(b"2.jpg", extra=struct.pack("<HHQ", 1, 8, place))]))
    second = data.rindex(b"PK\1\2")
    struct.pack_into("<L", data, second + 42, 0xFFFFFFFF)
    return bytes(data)


def _damaged() -> bytes:
    data = ordinary({"1.jpg": JPEG, "2.jpg": JPEG}, zipfile.ZIP_STORED)
    place = data.index(b"2.jpg") + 300
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def _blank() -> bytes:
    return encoded(Image.new("L", (4000, 3000), "white"), "TIFF")


def _more_than_16_bits() -> bytes:
    return written(Entry(b"%x" % n, b"", method=0) for n in range(66_000))


def named() -> Iterator[File]:
    long = "Ä" * 300 + ".jpg"
    for id, name, shown in (
        ("umlauts", UMLAUTS, UMLAUTS),
        ("decomposed", "Ka\u0308stchen.jpg", "Kästchen.jpg"),
        ("spaces", "  a card  with   spaces .jpg  ", "a card  with   spaces .jpg"),
        ("right-to-left", "בית ספר/כרטיס 7.jpg", "בית ספר/כרטיס 7.jpg"),
        ("direction-marks", "photo\u202egpj.exe", "photogpj.exe"),
        ("300-characters", long, long),
        ("600-characters", "x" * 600 + ".jpg", ("x" * 600 + ".jpg")[-500:]),
        ("emoji", "📇 card.jpg", "📇 card.jpg"),
        ("traversal", "../../../../tmp/evil.jpg", "tmp/evil.jpg"),
        ("absolute", "/etc/passwd", "etc/passwd"),
        ("windows-path", "C:\\Users\\x\\card.jpg", "C:/Users/x/card.jpg"),
        *((f"reserved-{word}", f"{word}.jpg", f"{word}.jpg") for word in ("CON", "nul", "com1", "LPT9", "aux.tar")),
        ("markup", "<script>alert(1)</script>.jpg", "<script>alert(1)</script>.jpg"),
        ("dots", "....jpg", "....jpg"),
        ("line-end", "a\nb\0c.jpg", "abc.jpg"),
        ("formula", "=cmd|'!A0'.jpg", "=cmd|'!A0'.jpg"),
        ("quotes", "\"';--.jpg", "\"';--.jpg"),
        ("no-extension", "card", "card"),
        ("dots-alone", "..", ""),
    ):
        yield File(f"name-{id}", lambda: JPEG, name=name, names=(shown,) if shown else ())
