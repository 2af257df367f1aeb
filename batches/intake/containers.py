"""What lies in a ZIP. Nothing is ever unpacked by its name: a member is a stream of bytes with a label.

The directory is read here, not by `zipfile`: that one takes entries that overlap, and a directory of any size.
"""

import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches.intake import names
from batches.intake.receiving import Refused

_END, _END64, _LOCATOR = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_ENTRY, _LOCAL = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")
MOST = 20  # entries for each file that is taken: folders, and what systems leave beside
MAX_DIRECTORY = 16_000_000  # bytes; more than any honest one of so many members
RATIO_FROM = 10_000_000  # bytes unpacked; a white page alone packs a thousandfold
PIECE = 1 << 18
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _SIZES_FOLLOW, _UTF8, _MASKED = 0x1, 0x8, 0x800, 0x2000
_ZIP64, _UNICODE_NAME = 0x0001, 0x7075
_QUIET = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"})


@dataclass(frozen=True, slots=True)
class Member:
    """One file in a ZIP, or why it is not taken."""

    index: int  # in the directory
    name: str
    start: int = 0  # of its bytes
    packed: int = 0
    size: int = 0
    crc: int = 0
    method: int = 0
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    index: int
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int
    extra: bytes

    @property
    def name(self) -> str:
        """In UTF-8 where it says so, or where it is so; otherwise as DOS wrote it."""
        if not self.flags & _UTF8 and (told := _unicode_name(self)):
            return told
        try:
            return self.raw_name.decode()
        except UnicodeDecodeError:
            return self.raw_name.decode("cp437")


class Archive:
    """An open ZIP. Raises Refused where it contradicts itself or is over a limit."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file = file
        self._unpacked = 0
        entries, directory = _entries(file, length)
        wanted = [entry for entry in entries if not _is_quiet(entry.name)]
        _refuse_over_limits(wanted)
        starts, spans = {}, [directory]
        for entry in entries:
            if entry.offset > directory[0]:
                raise _cut_off()
            starts[entry.index], end = _span(file, entry)
            spans.append((entry.offset, end))
        _refuse_overlaps(spans)
        if not wanted:
            raise Refused("FILE_TYPE_INVALID", _("There is no file in this ZIP."))
        if all(entry.flags & _ENCRYPTED for entry in wanted):
            raise Refused("FILE_TYPE_INVALID", _("The ZIP is encrypted. Send it without a password."))
        self.members = [_member(entry, starts[entry.index]) for entry in wanted]

    def unpack(self, member: Member) -> Iterator[bytes]:
        """Its bytes, counted and checked. Raises Refused; whatever came before that is worthless."""
        if member.refusal:
            raise Refused("FILE_TYPE_INVALID", member.refusal)
        count, crc = 0, 0
        for piece in _inflated(self._packed(member), member.method):
            count += len(piece)
            self._unpacked += len(piece)
            _refuse_bomb(member, count, self._unpacked)
            crc = zlib.crc32(piece, crc)
            yield piece
        if count != member.size:
            raise Refused("FILE_TYPE_INVALID", _contradiction())
        if crc != member.crc:
            raise _damaged()

    def _packed(self, member: Member) -> Iterator[bytes]:
        self._file.seek(member.start)
        left = member.packed
        while left:
            piece = self._file.read(min(left, PIECE))
            if not piece:
                raise _cut_off()
            left -= len(piece)
            yield piece


def _inflated(pieces: Iterable[bytes], method: int) -> Iterator[bytes]:
    if method == _STORED:
        yield from pieces
        return
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in pieces:
            while piece and not inflate.eof:
                yield inflate.decompress(piece, PIECE)
                piece = inflate.unconsumed_tail
        yield inflate.flush()
    except zlib.error as error:
        raise _damaged() from error
    if not inflate.eof:
        raise _damaged()


def _refuse_bomb(member: Member, count: int, unpacked: int) -> None:
    if count > member.size:
        raise Refused("FILE_TYPE_INVALID", _contradiction())
    if count > RATIO_FROM and count > settings.MAX_ZIP_RATIO * member.packed:
        message = _("It unpacks to more than %(ratio)d times its size.") % {"ratio": settings.MAX_ZIP_RATIO}
        raise Refused("FILE_TOO_LARGE", message)
    if unpacked > settings.MAX_UNPACKED_BYTES:
        raise _too_much()


def opened(path: Path, file: IO[bytes]) -> Archive:
    """Raises Refused."""
    try:
        return Archive(file, path.stat().st_size)
    except (struct.error, IndexError, OverflowError) as error:  # cut off in the middle of a header
        raise _damaged() from error


def _entries(file: IO[bytes], length: int) -> tuple[list[_Entry], tuple[int, int]]:
    """What the directory lists, and where it stands."""
    number, size, start, end = _directory(file, length)
    if start + size > end:
        raise _damaged()
    if size > MAX_DIRECTORY:
        raise _too_many()
    file.seek(start)
    data, place, found = file.read(size), 0, list[_Entry]()
    while place < size:
        head = _ENTRY.unpack_from(data, place)
        if head[0] != b"PK\x01\x02":
            raise _damaged()
        names_at = place + _ENTRY.size
        extra_at = names_at + head[10]
        place = extra_at + head[11] + head[12]
        if place > size:
            raise _damaged()
        if len(found) > MOST * settings.MAX_FILE_PAGES:
            raise _too_many()
        found.append(_entry(len(found), head, data[names_at:extra_at], data[extra_at : extra_at + head[11]]))
    if len(found) & 0xFFFF != number & 0xFFFF:
        raise Refused("FILE_TYPE_INVALID", _contradiction())
    return found, (start, start + size)


def _directory(file: IO[bytes], length: int) -> tuple[int, int, int, int]:
    """Number of entries, size and start of the directory, and where it must have ended."""
    back = min(length, 0xFFFF + _END.size)
    file.seek(length - back)
    tail = file.read(back)
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or place + _END.size > len(tail):
        raise _cut_off()
    _sign, disk, first_disk, here, number, size, start, _comment = _END.unpack_from(tail, place)
    end = length - back + place
    if 0xFFFF in {disk, here, number} or 0xFFFFFFFF in {size, start}:
        return _directory64(file, end)
    if disk or first_disk or here != number:
        raise Refused("FILE_TYPE_INVALID", _("This is one part of a ZIP in several files. Send it as one."))
    return number, size, start, end


def _directory64(file: IO[bytes], end: int) -> tuple[int, int, int, int]:
    file.seek(max(0, end - _LOCATOR.size))
    sign, _disk, place, _disks = _LOCATOR.unpack(file.read(_LOCATOR.size))
    if sign != b"PK\x06\x07" or place + _END64.size > end:
        raise _damaged()
    file.seek(place)
    head = _END64.unpack(file.read(_END64.size))
    if head[0] != b"PK\x06\x06":
        raise _damaged()
    return head[7], head[8], head[9], place


def _entry(index: int, head: tuple[int, ...], raw_name: bytes, extra: bytes) -> _Entry:
    _sign, _made, _needs, flags, method, _time, _date = head[:7]
    crc, packed, size = head[7:10]
    offset = head[16]
    size, packed, offset = _wide(extra, size, packed, offset)
    return _Entry(index, raw_name, flags, method, crc, packed, size, offset, head[15] >> 16, extra)


def _fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, place)
        yield kind, extra[place + 4 : place + 4 + size]
        place += 4 + size


def _wide(extra: bytes, *values: int) -> tuple[int, ...]:
    """Sizes and offset, those that 32 bits cannot hold from the extra field."""
    wide = next((data for kind, data in _fields(extra) if kind == _ZIP64), b"")
    found = []
    for value in values:
        if value == 0xFFFFFFFF and len(wide) >= 8:
            value, wide = int.from_bytes(wide[:8], "little"), wide[8:]
        found.append(value)
    return tuple(found)


def _unicode_name(entry: _Entry) -> str:
    for kind, data in _fields(entry.extra):
        if kind == _UNICODE_NAME and len(data) > 5 and data[1:5] == zlib.crc32(entry.raw_name).to_bytes(4, "little"):
            return data[5:].decode(errors="replace")
    return ""


def _is_quiet(name: str) -> bool:
    """Folders, and what systems leave beside the files: nobody misses it."""
    if name.endswith(("/", "\\")):
        return True
    segments = names.shown(name).split("/")
    return any(segment.startswith(".") or segment.lower() in _QUIET for segment in segments)


def _span(file: IO[bytes], entry: _Entry) -> tuple[int, int]:
    """Where its bytes begin, by its own header, 0 where that says other things than the directory; and their end."""
    file.seek(entry.offset)
    data = file.read(_LOCAL.size)
    if len(data) < _LOCAL.size:
        raise _cut_off()
    sign, _needs, flags, method, _time, _date, _crc, packed, size, name_size, extra_size = _LOCAL.unpack(data)
    raw_name, extra = file.read(name_size), file.read(extra_size)
    start = entry.offset + _LOCAL.size + name_size + extra_size
    size, packed = _wide(extra, size, packed)
    honest = (sign, raw_name, method, flags & _ENCRYPTED) == (
        *(b"PK\x03\x04", entry.raw_name, entry.method),
        entry.flags & _ENCRYPTED,
    )
    if not flags & _SIZES_FOLLOW:
        honest = honest and (size, packed) == (entry.size, entry.packed)
    return (start if honest else 0), start + entry.packed


def _refuse_over_limits(entries: list[_Entry]) -> None:
    if len(entries) > settings.MAX_FILE_PAGES:
        raise _too_many()
    if sum(entry.size for entry in entries) > settings.MAX_UNPACKED_BYTES:
        raise _too_much()


def _refuse_overlaps(spans: list[tuple[int, int]]) -> None:
    last = 0
    for start, end in sorted(spans):
        if start < last:
            raise Refused("FILE_TYPE_INVALID", _("Files in this ZIP lie over each other: it is damaged or a trap."))
        last = end


def _member(entry: _Entry, start: int) -> Member:
    refusal = ""
    kind = stat.S_IFMT(entry.mode)
    if entry.flags & (_ENCRYPTED | _MASKED):
        refusal = _("It is encrypted. Send it without a password.")
    elif kind == stat.S_IFLNK:
        refusal = _("It is a link to another file. Links are not followed.")
    elif kind not in {0, stat.S_IFREG}:
        refusal = _("It is no ordinary file.")
    elif entry.method not in {_STORED, _DEFLATED}:
        refusal = _("It is packed in a way that is not read. Pack it as an ordinary ZIP.")
    elif not start or (entry.method == _STORED and entry.packed != entry.size):
        refusal = _contradiction()
    name = names.shown(entry.name)
    return Member(entry.index, name, start, entry.packed, entry.size, entry.crc, entry.method, refusal)


def _contradiction() -> str:
    return _("What the ZIP says about it contradicts itself.")


def _damaged() -> Refused:
    return Refused("FILE_TYPE_INVALID", _("The file is damaged and cannot be opened."))


def _cut_off() -> Refused:
    return Refused("FILE_TYPE_INVALID", _("The file is cut off: its end is missing."))


def _too_many() -> Refused:
    limit = settings.MAX_FILE_PAGES
    text = ngettext("The ZIP holds more than %(limit)d file.", "The ZIP holds more than %(limit)d files.", limit)
    return Refused("FILE_TOO_LARGE", text % {"limit": limit})


def _too_much() -> Refused:
    limit = filesizeformat(settings.MAX_UNPACKED_BYTES)
    return Refused("FILE_TOO_LARGE", _("The ZIP unpacks to more than %(limit)s.") % {"limit": limit})
