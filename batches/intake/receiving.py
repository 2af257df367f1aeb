"""A file comes in: streamed to the disk, told by its first bytes, not larger than its kind may be."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from batches.intake import room, sniff


class Refused(Exception):
    """This file, or this change, alone is refused: `code` of the API, `message` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Received:
    """A whole file on the disk, under a name of its own; what becomes of it is its holder's business."""

    path: Path
    format: sniff.Format
    size: int
    sha256: str


def receive(part: Path, chunks: Iterable[bytes], *, sync: bool = True, in_archive: bool = False) -> Received:
    """Write what comes, as long as it is of a kind that is read and not too large. Raises Refused."""
    digest, size, head, found, looked = hashlib.sha256(), 0, b"", None, 0
    refuse_if_full()
    with part.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if found is None:
                head = (head + chunk)[: sniff.HEAD]
                found = _told(head, in_archive=in_archive) if len(head) == sniff.HEAD else None
            refuse_too_large(size, found)
            if size - looked > room.LOOK_EVERY:
                looked = size
                refuse_if_full()
            file.write(chunk)
            digest.update(chunk)
        found = found or _told(head, in_archive=in_archive)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    return Received(part, found, size, digest.hexdigest())


def recognise(path: Path, *, sync: bool = False) -> Received:
    """As receive, for a file that lies on the disk already. Raises Refused."""
    digest, size = hashlib.sha256(), path.stat().st_size
    refuse_if_full()
    with path.open("rb") as file:
        head = file.read(sniff.HEAD)
        found = _told(head)
        refuse_too_large(size, found)
        digest.update(head)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
        if sync:
            os.fsync(file.fileno())
    return Received(path, found, size, digest.hexdigest())


def told(path: Path) -> sniff.Format:
    """What a file on the disk is, by its first bytes; it may grow still. Raises Refused."""
    with path.open("rb") as file:
        return _told(file.read(sniff.HEAD))


def refuse_if_full(more: int = 0) -> None:
    """Raises Refused where so many bytes more would leave too little on the disk."""
    left = room.free()
    if left <= more:
        message = _("The disk of this server is nearly full, room for %(left)s is left: the file was not kept.")
        raise Refused("STORAGE_FULL", message % {"left": filesizeformat(left)})


def refuse_too_large(size: int, found: sniff.Format | None) -> None:
    """Raises Refused. A format that may hold many scans may be larger."""
    limit = settings.MAX_CONTAINER_BYTES if found is not None and found.container else settings.MAX_IMAGE_BYTES
    if size > limit:
        message = _("The file is larger than %(limit)s.") % {"limit": filesizeformat(limit)}
        raise Refused("FILE_TOO_LARGE", message)


def _told(head: bytes, *, in_archive: bool = False) -> sniff.Format:
    """Raises Refused."""
    found = sniff.sniff(head)
    if in_archive and (found is sniff.ZIP or sniff.name_of(head) in sniff.ARCHIVES):
        raise Refused("FILE_TYPE_INVALID", _("An archive inside an archive is not opened."))
    if found is None:
        raise _wrong_type(head)
    return found


def _wrong_type(head: bytes) -> Refused:
    values = {"formats": sniff.NAMES}
    if not head:
        message = _("The file is empty.")
    elif name := sniff.name_of(head):
        message = _("%(name)s files are not read. Send %(formats)s.") % {"name": name, **values}
    else:
        message = _("This is not an image that can be read. Send %(formats)s.") % values
    return Refused("FILE_TYPE_INVALID", message)
