"""Writes a backup while cardocr runs: nothing waits for it.

The database is copied first, as it is at one moment; each file it knows was on the disk before its row, and accepted
files are deleted by people alone. So all that the copy knows is still there when the files follow.
"""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from batches.intake import copying, durable
from batches.models import Batch
from cardocr_site import __version__, backups
from cardocr_site.backups import Failed, restoring, rows

Tell = Callable[[int, int, str], None]  # how many of how many batches, and the name of the one that comes


def make(target: Path, tell: Tell, *, with_keys: bool = False) -> dict[str, int]:
    """The whole file or none, readable by its owner alone. What `end.json` says of it. Raises Failed."""
    target = target.absolute()
    _refuse(target)
    part, copy = (target.with_name(f".{target.name}.{kind}.part") for kind in ("tar", "database"))
    try:
        with _private(part) as file, tarfile.open(fileobj=file, mode="w") as tar:
            end = _Backup(tar, target.parent, tell).write(copy, with_keys=with_keys)
        _read_back(part, tell)
        durable.replace(part, target)
    except OSError as error:
        raise Failed(f"{target} cannot be written: {error.strerror or error}.") from error
    finally:
        for left in (part, copy):
            left.unlink(missing_ok=True)
    return end


def _read_back(part: Path, tell: Tell) -> None:
    """From the disk, where the system lets us: a backup that cannot be read is none. Raises Failed, OSError."""
    with part.open("rb") as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        restoring.read_through(part, lambda done, number, uid: tell(done - 1, number, f"{uid}, read back"))
    except (Failed, tarfile.TarError) as error:
        raise Failed(f"What was written cannot be read back, so nothing was kept. {error}") from error


def _refuse(target: Path) -> None:
    if target.exists():
        raise Failed(f"{target} is there already. It is left alone: choose another name.")
    if not target.parent.is_dir():
        raise Failed(f"There is no folder {target.parent}.")
    if target.is_relative_to(settings.DATA_DIR):
        raise Failed(f"{target} lies in the data folder, and would be lost with it: choose a place on another disk.")


@contextmanager
def _private(path: Path) -> Iterator[BinaryIO]:
    """A new file: one that lies there may be somebody else's, or a link to another."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


class _Backup:
    def __init__(self, tar: tarfile.TarFile, place: Path, tell: Tell) -> None:
        self._tar = tar
        self._place = place
        self._tell = tell
        self._files = self._bytes = 0

    def write(self, copy: Path, *, with_keys: bool) -> dict[str, int]:
        batches = Batch.objects.only("uid", "label", "deleted_at", "name").order_by("pk")
        number = batches.count()
        snapshot(copy, lambda table: self._copying(table, number))
        about = {"form": backups.FORM, "version": __version__, "made_at": timezone.now().isoformat()}
        self._text(backups.ABOUT, {**about, "batches": number})
        if with_keys:
            for name, setting in backups.NAMES_OF_KEYS.items():
                self._bytes_of(f"{backups.KEYS}/{name}", str(getattr(settings, setting)).encode())
        with copy.open("rb") as file:
            digest = self._add(backups.DATABASE, file)
        done = 0
        for done, batch in enumerate(batches.iterator(200), 1):
            self._tell(done - 1, number, batch.name)
            self._batch(batch)
        end = {"batches": done, "files": self._files, "bytes": self._bytes}
        self._text(backups.END, {**end, "database": digest})
        return end

    def _copying(self, table: str, number: int) -> None:
        self._room(0)
        self._tell(-1, number, f"the database, {table}")

    def _batch(self, batch: Batch) -> None:
        sums = {}
        for name, file in copying.files(batch):
            self._room(os.fstat(file.fileno()).st_size)
            sums[name] = self._add(f"{backups.FILES}/{batch.uid}/{name}", file)
            self._files += 1
        self._text(f"{backups.SUMS}/{batch.uid}.json", sums)

    def _room(self, needed: int) -> None:
        """A full disk would stop what runs beside it, too."""
        if shutil.disk_usage(self._place).free - needed < settings.MIN_FREE_BYTES:
            kept = settings.MIN_FREE_BYTES // 1_000_000
            raise Failed(
                f"Less than {kept} MB would be left on the disk of {self._place}: nothing was kept. Make room."
            )

    def _add(self, name: str, file: BinaryIO) -> str:
        """Raises OSError where the file is shorter than it was said to be."""
        read = _Summed(file)
        info = self._info(name, os.fstat(file.fileno()).st_size, os.fstat(file.fileno()).st_mtime)
        self._tar.addfile(info, cast("IO[bytes]", read))  # it reads, and no more is asked of it
        self._bytes += info.size
        return read.digest.hexdigest()

    def _text(self, name: str, told: Any) -> None:
        self._bytes_of(name, json.dumps(told, ensure_ascii=False).encode())

    def _bytes_of(self, name: str, data: bytes) -> None:
        self._tar.addfile(self._info(name, len(data), timezone.now().timestamp()), io.BytesIO(data))

    @staticmethod
    def _info(name: str, size: int, changed: float) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, int(changed), 0o600
        return info


class _Summed:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def snapshot(target: Path, tell: Callable[[str], None] = lambda table: None) -> None:
    """The database as it is at one moment, as an embedded one. Raises Failed, OSError."""
    with _private(target):
        pass
    try:
        if connection.vendor == "sqlite":
            _copy_embedded(target)
        else:
            rows.copied_out("default", target, tell)
        with closing(sqlite3.connect(target)) as copy:
            if copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise Failed("The database is damaged: see “manage.py doctor”.")
    except (sqlite3.Error, DatabaseError) as error:
        raise Failed(f"The database cannot be copied: {' '.join(str(error).split())[:300]}.") from error
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _copy_embedded(target: Path) -> None:
    """In one step: one in many begins anew whenever somebody writes."""
    name = Path(str(settings.DATABASES["default"]["NAME"])).absolute()
    if not name.is_file():
        raise Failed(f"There is no database in {name.parent}: is CARDOCR_DATA_DIR the right one?")
    with closing(sqlite3.connect(name, timeout=20)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a journal beside it
