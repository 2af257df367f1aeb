"""How files of batches are kept: in a folder here, or as objects elsewhere. Where each lies, store.py alone says.

A path names a file. In a folder it lies there; an object's path is no more than its name, and `local` gives its bytes.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Protocol

from batches.intake import durable


class Storage(Protocol):
    """What is written survives a crash once the call has returned. Raises OSError, FileNotFoundError for what is not
    there.
    """

    def has(self, path: Path) -> bool: ...

    def local(self, path: Path) -> Path:
        """Where its bytes can be read now; whether it is there, opening it tells at the latest."""
        ...

    def present(self, path: Path) -> Path | None:
        """As local; None: it is not there."""
        ...

    def dated(self, path: Path) -> float:
        """When it was written, or the date that it was given then."""
        ...

    def names(self, folder: Path, starting: Collection[str] = ()) -> Iterator[str]:
        """Of the files in a folder; at least of those that start with one of these, where they are given."""
        ...

    def write(self, files: Mapping[Path, bytes], through: Path, dated: float | None = None) -> None:
        """Each whole or not there. `through`: a folder for files that are being written."""
        ...

    def making(self, paths: Sequence[Path], through: Path) -> AbstractContextManager[Sequence[Path]]:
        """Places where these are to be written by others; once the block has ended they are kept."""
        ...

    def arriving(self, parts: Sequence[Path]) -> AbstractContextManager[None]:
        """Around a transaction in which `keep` is called with these parts: what takes long comes before it."""
        ...

    def keep(self, moves: Mapping[Path, Path]) -> None:
        """Files of this disk become these; a part may be left."""
        ...

    def take_back(self, moves: Mapping[Path, Path]) -> None:
        """Undo `keep`, as far as it came."""
        ...

    def copy(self, source: Path, target: Path) -> None: ...

    def remove(self, paths: Iterable[Path]) -> None:
        """What is not there is passed over."""
        ...

    def clear(self, folder: Path) -> None:
        """Everything below it."""
        ...

    def weight(self, folder: Path) -> int:
        """Bytes of all files below it."""
        ...


class Folder:
    """On a disk of this machine, or one that its machines share."""

    def has(self, path: Path) -> bool:
        return path.is_file()

    def local(self, path: Path) -> Path:
        return path

    def present(self, path: Path) -> Path | None:
        return path if path.is_file() else None

    def dated(self, path: Path) -> float:
        return path.stat().st_mtime

    def names(self, folder: Path, starting: Collection[str] = ()) -> Iterator[str]:
        try:
            entries = os.scandir(folder)
        except FileNotFoundError:
            return
        with entries:
            for entry in entries:
                if entry.is_file():
                    yield entry.name

    def write(self, files: Mapping[Path, bytes], through: Path, dated: float | None = None) -> None:
        for folder in {path.parent for path in files}:
            made(folder)
        durable.write(files, through=through)
        if dated is not None:
            for path in files:
                os.utime(path, (dated, dated))

    @contextmanager
    def making(self, paths: Sequence[Path], through: Path) -> Iterator[Sequence[Path]]:
        for folder in {path.parent for path in paths}:
            made(folder)
        yield paths

    def arriving(self, parts: Sequence[Path]) -> AbstractContextManager[None]:
        return nullcontext()

    def keep(self, moves: Mapping[Path, Path]) -> None:
        durable.replace_all(moves)

    def take_back(self, moves: Mapping[Path, Path]) -> None:
        for part, target in moves.items():
            with suppress(FileNotFoundError):  # not moved yet
                target.replace(part)

    def copy(self, source: Path, target: Path) -> None:
        self.write({target: source.read_bytes()}, source.parent)

    def remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)

    def clear(self, folder: Path) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(folder)

    def weight(self, folder: Path) -> int:
        total = 0
        for place, _folders, names in os.walk(folder):
            for name in names:
                with suppress(FileNotFoundError):  # moved this moment
                    total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118  (of half a million, quickly)
        return total


def made(path: Path) -> Path:
    path.mkdir(mode=0o750, parents=True, exist_ok=True)
    return path
