"""Copies of objects on this disk: filled whole or not at all, by any number of processes, up to a size.

An object's path is a folder here, with the edition that was fetched last: `<path>/<its tag><suffix>`. Whoever was given
one has it for some minutes at least.
"""

import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from batches.intake import durable
from batches.intake.alone import alone_here
from batches.intake.storage import made

RECENT = 600.0  # seconds in which one that was given out is not cleared away
UNUSED = 24 * 3600.0  # after which it goes in any case: of an erased card nothing stays on another machine
TIDY_EVERY = 3600.0
DOWN_TO = 0.8  # of the limit
TOUCHED = 60.0  # a use is noted this seldom


class Cache:
    def __init__(self, root: Path, parts: Path, limit: int) -> None:
        self._root, self._parts, self._limit = root, parts, limit
        self._lock = threading.Lock()
        self._added, self._tidied_at = limit, 0.0  # what an earlier process has left is looked at first

    def part(self) -> Path:
        return durable.part(made(self._parts))

    def find(self, path: Path) -> tuple[Path, str] | None:
        """The copy, and the tag of its edition; it is in use from now on."""
        try:
            for copy in path.iterdir():
                self.use(copy)
                return copy, copy.stem
        except (FileNotFoundError, NotADirectoryError):
            pass
        return None

    def use(self, copy: Path) -> None:
        stat = copy.stat()
        if time.time() - stat.st_atime > TOUCHED:
            os.utime(copy, ns=(time.time_ns(), stat.st_mtime_ns))

    def take(self, path: Path, tag: str, part: Path, dated: float) -> Path:
        """A finished file becomes the copy; the one before goes."""
        copy = path / f"{clean(tag)}{path.suffix}"
        os.utime(part, (time.time(), dated))
        size = part.stat().st_size
        for last in (False, False, True):
            try:
                made(path)
                part.replace(copy)
                break
            except FileNotFoundError:  # somebody has cleared the empty folder away this moment
                if last:
                    raise
        for other in path.iterdir():
            if other != copy:
                other.unlink(missing_ok=True)
        self._count(size)
        return copy

    def link(self, path: Path, tag: str, file: Path, dated: float) -> None:
        """As take, of a file that stays where it is. A copy that cannot be had is fetched when it is wanted."""
        part = self.part()
        with suppress(OSError):
            try:
                os.link(file, part)
                self.take(path, tag, part, dated)
            finally:
                part.unlink(missing_ok=True)

    def forget(self, path: Path) -> None:
        """Of an object, or of all below it."""
        shutil.rmtree(path, ignore_errors=True)

    def _count(self, size: int) -> None:
        with self._lock:
            self._added += size
            late = time.monotonic() - self._tidied_at > TIDY_EVERY
            if self._added < self._limit * (1 - DOWN_TO) and not late:
                return
            self._added, self._tidied_at = 0, time.monotonic()
        self.tidy()

    def tidy(self) -> None:
        """Down to the size, those first that were used longest ago. One process at a time."""
        with alone_here(made(self._root) / ".tidy") as mine:
            if not mine:
                return
            now, copies = time.time(), sorted(self._copies())
            size = sum(one[1] for one in copies)
            for used, bytes_, copy in copies:
                idle = now - used
                if idle > UNUSED or (size > self._limit * DOWN_TO and idle > RECENT):
                    copy.unlink(missing_ok=True)
                    size -= bytes_
                    with suppress(OSError):  # not empty
                        copy.parent.rmdir()

    def _copies(self) -> Iterator[tuple[float, int, Path]]:
        for folder, _folders, names in os.walk(self._root):
            for name in names:
                copy = Path(folder, name)
                with suppress(FileNotFoundError):
                    stat = copy.stat()
                    if copy.parent != self._root:
                        yield stat.st_atime, stat.st_size, copy


def clean(tag: str) -> str:
    return re.sub(r"[^0-9A-Za-z-]", "", tag) or "0"
