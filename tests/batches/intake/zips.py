"""ZIPs written entry by entry, so that headers may say what they like."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from tests.batches.intake import pictures

LOCAL, ENTRY, END = "<4s5H3L2H", "<4s6H3L5H2L", "<4s4H2LH"


@dataclass(frozen=True)
class Entry:
    """A file in a ZIP. What is None is told truthfully."""

    name: bytes
    data: bytes = b""
    method: int = 8
    flags: int = 0
    mode: int = 0
    crc: int | None = None
    size: int | None = None  # in the directory
    local_name: bytes | None = None
    local_size: int | None = None
    extra: bytes = b""
    packed_as: bytes | None = None  # instead of what the data pack to

    def packed(self) -> bytes:
        if self.packed_as is not None:
            return self.packed_as
        if self.method != 8:
            return self.data
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflate.compress(self.data) + deflate.flush()


def written(entries: Iterable[Entry], *, number: int | None = None, tail: bytes = b"") -> bytes:
    body, places = bytearray(), []
    for entry in entries:
        places.append((entry, len(body)))
        body += local(entry) + entry.packed()
    return bytes(body) + directory(places, len(body), number) + tail


def local(entry: Entry) -> bytes:
    name = entry.name if entry.local_name is None else entry.local_name
    size = entry.local_size if entry.local_size is not None else told_size(entry)
    head = (b"PK\3\4", 20, entry.flags, entry.method, 0, 0, told_crc(entry), len(entry.packed()), size, len(name), 0)
    return struct.pack(LOCAL, *head) + name


def told_size(entry: Entry) -> int:
    return len(entry.data) if entry.size is None else entry.size


def told_crc(entry: Entry) -> int:
    return zlib.crc32(entry.data) if entry.crc is None else entry.crc


def directory(places: list[tuple[Entry, int]], start: int, number: int | None = None) -> bytes:
    out = bytearray()
    for entry, place in places:
        out += struct.pack(
            ENTRY,
            *(b"PK\1\2", 0x031E, 20, entry.flags, entry.method, 0, 0, told_crc(entry)),
            *(len(entry.packed()), told_size(entry), len(entry.name), len(entry.extra)),
            *(0, 0, 0, entry.mode << 16, place),
        )
        out += entry.name + entry.extra
    number = len(places) if number is None else number
    return bytes(out) + struct.pack(END, b"PK\5\6", 0, 0, number & 0xFFFF, number & 0xFFFF, len(out), start, 0)


def ordinary(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class _Pipe(io.RawIOBase):
    """A stream that cannot go back, as a browser's download or a scanner's network drive is."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += data
        return len(data)


def streamed(members: dict[str, bytes]) -> bytes:
    """Sizes follow the data instead of standing in front."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            with archive.open(name, "w") as file:
                file.write(data)
    return bytes(pipe.data)


def wide(members: dict[str, bytes]) -> bytes:
    """Written as if each file had more than four gigabytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(data)
    return buffer.getvalue()


def card(name: bytes = b"card.jpg", **options: object) -> Entry:
    return replace(Entry(name, pictures.jpeg((60, 40))), **options)  # type: ignore[arg-type]


def link(name: bytes = b"link.jpg") -> Entry:
    """What it leads to would be an image, were it followed."""
    return card(name, mode=stat.S_IFLNK | 0o777)


def overlapping(copies: int = 50) -> bytes:
    """Many names for the same bytes: the bomb that needs no nesting."""
    entry = card()
    body = local(entry) + entry.packed()
    return body + directory([(entry, 0)] * copies, len(body))


def quoted(copies: int = 20) -> bytes:
    """Each file's bytes begin with the next one's header, told as stored bytes of a deflate stream: names differ."""
    last = Entry(b"%04d.jpg" % copies, pictures.jpeg((60, 40)))
    body, places = local(last) + last.packed(), [(last, 0)]
    for number in reversed(range(copies)):
        inner = body
        quote = struct.pack("<BHH", 0, len(inner) & 0xFFFF, ~len(inner) & 0xFFFF) + inner
        entry = Entry(b"%04d.jpg" % number, b"", packed_as=quote, crc=0, size=len(inner))
        head = local(entry)
        places = [(known, place + len(head) + 5) for known, place in places]
        places.insert(0, (entry, 0))
        body = head + quote
    return body + directory(places, len(body))


def lying_size(data: Callable[[], bytes]) -> bytes:
    """The directory and the header say that a film is a card's size."""
    return written([Entry(b"card.bmp", data(), size=5000, local_size=5000)])
