"""Those who write into a folder, any number at once, and whoever moves it, alone; in whatever process they are."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def writing(lock: Path) -> Iterator[None]:
    with _gate(lock) as gate, _locked(lock, fcntl.LOCK_SH):
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@contextmanager
def moving(lock: Path) -> Iterator[None]:
    with _gate(lock), _locked(lock, fcntl.LOCK_EX):
        yield


def forget(lock: Path) -> None:
    for path in (lock, _gate_of(lock)):
        path.unlink(missing_ok=True)


def _gate_of(lock: Path) -> Path:
    return lock.with_name(f"{lock.name}.gate")


@contextmanager
def _gate(lock: Path) -> Iterator[int]:
    """Writers pass through, a mover stays in it: without it, writers that take turns would keep a mover out."""
    with _locked(_gate_of(lock), fcntl.LOCK_EX) as descriptor:
        yield descriptor


@contextmanager
def _locked(path: Path, how: int) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield descriptor
    finally:
        os.close(descriptor)
