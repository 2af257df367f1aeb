"""How much smaller a JPEG 2000 may be decoded: a large one takes half a minute whole. Plain Python."""

import struct
from typing import IO

_START, _STYLE = b"\xff\x4f\xff\x51", 0xFF52
_FAR = 65_536  # bytes in which the first headers stand
_MARKERS = 20


def halvings(file: IO[bytes], size: tuple[int, int], wanted: tuple[int, int]) -> int:
    """How often the sides may be halved, so that they stay as long as wanted."""
    share = min(size[0] // wanted[0], size[1] // wanted[1])
    return min(max(0, share.bit_length() - 1), _levels(file))


def _levels(file: IO[bytes]) -> int:
    """As many smaller images as the file holds in itself; 0 where it does not say."""
    place = file.tell()
    file.seek(0)
    head = file.read(_FAR)
    file.seek(place)
    at = head.find(_START) + 2
    for _ in range(_MARKERS if at >= 2 else 0):
        if at + 10 > len(head):
            break
        marker, length = struct.unpack_from(">HH", head, at)
        if marker == _STYLE:
            return min(head[at + 9], 32)
        at += 2 + length
    return 0
