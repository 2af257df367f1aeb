"""The files of a batch while the batch is worked with: each is opened where it lies at that moment.

Not those of object storage, which has means of its own to be kept.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from batches.intake import store
from batches.models import Batch


def files(batch: Batch) -> Iterator[tuple[str, BinaryIO]]:
    """Each with its name below the folder; closed when the next is asked for. What goes away meanwhile is left out.

    The folder is held for the moments of looking and opening alone: a start, or a scan that moves to the failed
    ones, waits for no copy. An open file keeps its bytes, whatever becomes of its name.
    """
    if settings.FILES_URL:  # what lies on this disk are copies of some
        return
    with store.writing(batch):
        base = store.folder(batch)
        names = sorted(_below(base, base))
    for name in names:
        opened = _opened(batch, name)
        if opened is not None:
            with opened[1]:
                yield opened


def _below(place: Path, base: Path) -> Iterator[str]:
    if not place.is_dir():
        return
    for entry in os.scandir(place):
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry), base)
        elif entry.is_file(follow_symlinks=False) and not entry.name.endswith(".part"):
            yield Path(entry).relative_to(base).as_posix()


def _opened(batch: Batch, name: str) -> tuple[str, BinaryIO] | None:
    """Scans move between the folder and `_errors/`."""
    outside = f"{store.ERRORS}/{name}"
    inside = name.removeprefix(f"{store.ERRORS}/")
    with store.writing(batch):
        base = store.folder(batch)
        for place in dict.fromkeys((name, outside, inside)):
            with suppress(FileNotFoundError):
                return place, (base / place).open("rb")
    return None
