"""Files that survive a crash: whole or not there, their bytes on the disk before their names, and then these."""

import ctypes
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
REPLACE_TRIES, PAUSE = 3, 0.2  # where another program holds the file, as on a network drive


def sync_folder(path: Path) -> None:
    with _opened(path) as descriptor:
        os.fsync(descriptor)


def part(folder: Path) -> Path:
    """A new name for a file being written."""
    return folder / f"{secrets.token_hex(8)}.part"


def write(files: Mapping[Path, bytes], through: Path) -> None:
    """Each whole or not there, and on the disk when this returns; written in one folder, then renamed into theirs."""
    folders = {path.parent for path in files}
    parts = dict(zip(files, _parts(through, len(files)), strict=True))
    try:
        for path, data in files.items():
            _write(parts[path], data)
        _flush(through, list(parts.values()))
        for path in files:
            _rename(parts[path], path)
            del parts[path]
    finally:
        for left in parts.values():
            left.unlink(missing_ok=True)
    for folder in folders:
        sync_folder(folder)


def _parts(folder: Path, number: int) -> Iterator[Path]:
    token = secrets.token_hex(8)
    return (folder / f"{token}-{count}.part" for count in range(number))


def _write(path: Path, data: bytes) -> None:
    """Without the buffer and the questions of `open`: there are two files for each card."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        written = os.write(descriptor, data)
        while written < len(data):  # a disk that is nearly full takes a part and refuses the rest
            written += os.write(descriptor, memoryview(data)[written:])
    finally:
        os.close(descriptor)


def _flush(folder: Path, files: Sequence[Path]) -> None:
    """The bytes of a folder's files on the disk. Many by one call where the system has it: a fifth of the CPU."""
    if len(files) > 2 and hasattr(_libc, "syncfs"):
        with _opened(folder) as descriptor:
            if _libc.syncfs(descriptor):
                raise OSError(ctypes.get_errno(), "The disk did not take the files")
        return
    for path in files:
        with _opened(path) as descriptor:
            os.fsync(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def sync_disk(folder: Path) -> None:
    """All that was written on the disk that holds the folder, by whomever."""
    if not hasattr(_libc, "syncfs"):
        os.sync()
        return
    with _opened(folder) as descriptor:
        if _libc.syncfs(descriptor):
            raise OSError(ctypes.get_errno(), "The disk did not take the files")


def flush(parts: Sequence[Path]) -> None:
    """Their bytes on the disk, before any of them is renamed."""
    if parts:
        _flush(parts[0].parent, parts)


def replace(source: Path, target: Path) -> None:
    replace_all({source: target})


def replace_all(moves: Mapping[Path, Path]) -> None:
    """Each file under its new name, and these on the disk."""
    for source, target in moves.items():
        _rename(source, target)
    for folder in {target.parent for target in moves.values()}:
        sync_folder(folder)


def _rename(source: Path, target: Path) -> None:
    for left in reversed(range(REPLACE_TRIES)):
        try:
            source.replace(target)
            break
        except PermissionError:
            if not left:
                raise
            time.sleep(PAUSE)
