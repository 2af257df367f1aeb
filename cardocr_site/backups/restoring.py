"""Brings a backup back into an empty data folder: all of it checked before the first piece stands where it belongs."""

import hashlib
import json
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from batches.intake import durable, store
from batches.models import Batch
from batches.queries import versions
from cardocr_site import backups, databases, locks
from cardocr_site.backups import Failed, rows

Tell = Callable[[int, int, str], None]  # how many of how many batches
UID = re.compile(r"[0-9a-z]{1,10}")
AREAS = ("temp", "batches", "trash")


@dataclass
class Restored:
    batches: int = 0
    complete: int = 0  # in the archive
    files: int = 0
    keys: bool = False
    unknown: list[str] = field(default_factory=list)  # batches made while the backup was: their rows are not in it
    version: str = ""
    replaced: int = 0  # texts with a character that PostgreSQL takes in none


def restore(archive: Path, tell: Tell) -> Restored:
    """Raises Failed; the data folder is then as it was."""
    data = Path(settings.DATA_DIR)
    with ExitStack() as stack:
        for role in ("web", "worker"):
            stack.enter_context(locks.held(locks.of_role(data, role), f"The data folder {data}"))
        if connection.vendor == "postgresql":
            stack.enter_context(_alone_in_postgres())
        _refuse(data)
        _refuse_small(archive, data)
        place = data / "restore.part"
        if place.exists():
            shutil.rmtree(place)  # of a restore that was broken off
        place.mkdir(mode=0o700)
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        try:
            restored = _Unpacking(archive, place, tell).run()
            _check_database(place / backups.DATABASE)
            _bring(place, data, restored, tell)
        except (OSError, tarfile.TarError, DatabaseError) as error:
            why = " ".join(str(getattr(error, "strerror", "") or error).split())[:300]
            raise Failed(f"{archive} cannot be restored: {why}.") from error
    return restored


def check(archive: Path, tell: Tell) -> Restored:
    """As far as `restore` would look, without bringing anything back. Raises Failed."""
    if not archive.is_file():
        raise Failed(f"There is no file {archive}.")
    try:
        with tempfile.TemporaryDirectory(prefix="check-", dir=settings.DATA_DIR) as folder:
            checked = _Unpacking(archive, Path(folder), tell, lambda path: path.name == backups.DATABASE).run()
            _check_database(Path(folder) / backups.DATABASE)
    except (OSError, tarfile.TarError) as error:
        raise Failed(f"{archive} cannot be read: {getattr(error, 'strerror', '') or error}.") from error
    checked.batches = checked.complete
    return checked


def read_through(archive: Path, tell: Tell) -> None:
    """Whether each byte is there as its sums and its end have it. Raises Failed, OSError, TarError."""
    _Unpacking(archive, archive.parent, tell, lambda path: False).run()


@contextmanager
def _alone_in_postgres() -> Iterator[None]:
    try:
        databases.refuse_unfit(connection)
    except databases.Unfit as unfit:
        raise Failed(str(unfit)) from None
    with databases.prepared_by_one(connection):
        yield


def _refuse(data: Path) -> None:
    if connection.vendor == "postgresql":
        tables = connection.introspection.table_names()
        if tables:
            raise Failed(
                f"The database of DATABASE_URL has {len(tables)} tables already, “{tables[0]}” among them. Nothing was "
                "changed. Restore into an empty one: make another, and name it in DATABASE_URL."
            )
    # A log without its database counts, too: SQLite would write it into whatever takes that name.
    mine = [Path(f"{_database()}{end}") for end in ("", "-wal", "-journal")] if connection.vendor == "sqlite" else []
    there = [path for path in (*mine, *(data / area for area in AREAS)) if path.is_file() or _holds(path)]
    if there:
        raise Failed(
            f"{', '.join(str(path) for path in there)}: the data folder is in use. Nothing was changed. Restore into "
            "an empty one: move this one away, or set CARDOCR_DATA_DIR to another."
        )


def _database() -> Path:
    return Path(str(settings.DATABASES["default"]["NAME"]))


def _refuse_small(archive: Path, data: Path) -> None:
    if not archive.is_file():
        raise Failed(f"There is no file {archive}.")
    needed, free = archive.stat().st_size + settings.MIN_FREE_BYTES, shutil.disk_usage(data).free
    if free < needed:
        raise Failed(f"{needed / 1e9:.1f} GB are needed on the disk of {data}, and {free / 1e9:.1f} GB are free.")


def _holds(folder: Path) -> bool:
    return folder.is_dir() and any(path.name != "_parts" for path in folder.iterdir())


class _Unpacking:
    def __init__(
        self, archive: Path, place: Path, tell: Tell, wanted: Callable[[Path], bool] = lambda path: True
    ) -> None:
        self._archive = archive
        self._wanted = wanted  # what is written; all is looked at
        self._place = place
        self._tell = tell
        self._sums: dict[str, str] = {}  # of the batch that comes
        self._batches: set[str] = set()
        self._about: dict[str, Any] = {}
        self._database = ""
        self._done = Restored()

    def run(self) -> Restored:
        """Raises Failed, OSError, TarError."""
        end: dict[str, Any] | None = None
        try:
            with tarfile.open(self._archive, mode="r:") as tar:
                for member in self._members(tar):
                    if end is not None:
                        raise Failed(f"{self._archive} goes on after its end: it is no backup as cardocr makes them.")
                    end = self._take(tar, member)
        except (ValueError, KeyError) as error:  # JSON that is none, or without what belongs there
            raise self._damaged(str(error)) from error
        if end is None:
            raise Failed(f"{self._archive} is cut off, or no backup of cardocr: its end is missing.")
        expected = {"batches": len(self._batches), "files": self._done.files, "database": self._database}
        if {name: end[name] for name in expected} != expected:
            raise self._damaged("it does not hold what its end says")
        self._done.version = str(self._about["version"])
        self._done.complete = len(self._batches)
        return self._done

    def _members(self, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
        for number, member in enumerate(tar):
            tar.members = []  # type: ignore[attr-defined]  # it would keep each
            if not member.isreg():
                raise self._damaged(f"“{member.name}” is no file")
            if number == 0 and member.name != backups.ABOUT:
                raise Failed(f"{self._archive} is no backup of cardocr.")
            yield member

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any] | None:
        first, _slash, rest = member.name.partition("/")
        if member.name == backups.END:
            return self._json(tar, member)
        if member.name == backups.ABOUT:
            self._about = self._json(tar, member)
            self._refuse_newer()
        elif member.name == backups.DATABASE:
            self._database = self._write(tar, member, self._place / backups.DATABASE)
        elif first == backups.KEYS and rest in backups.NAMES_OF_KEYS:
            self._write(tar, member, self._place / rest)
            self._done.keys = True
        elif first == backups.FILES:
            self._file(tar, member, rest)
        elif first == backups.SUMS and UID.fullmatch(rest.removesuffix(".json")):
            self._batch(self._json(tar, member), rest.removesuffix(".json"))
        else:
            raise self._damaged(f"nobody knows “{member.name}”")
        return None

    def _refuse_newer(self) -> None:
        if self._about["form"] > backups.FORM:
            raise Failed(
                f"{self._archive} was made by a newer cardocr ({self._about['version']}): install that one first."
            )

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, rest: str) -> None:
        if settings.FILES_URL:
            raise Failed(
                "The backup holds scans as files, and CARDOCR_FILES_URL is set. Nothing was restored: restore without "
                "that setting, or copy each batch's folder into the bucket by hand."
            )
        uid, _slash, name = rest.partition("/")
        parts = name.split("/")
        if not UID.fullmatch(uid) or any(part in {"", ".", ".."} or "\\" in part for part in parts):
            raise self._damaged(f"“{member.name}” is no name of a file")
        self._sums[name] = self._write(tar, member, self._place.joinpath(backups.FILES, uid, *parts))
        self._done.files += 1

    def _batch(self, sums: dict[str, str], uid: str) -> None:
        wrong = sorted(name for name in {*sums, *self._sums} if sums.get(name) != self._sums.get(name))
        if wrong:
            raise self._damaged(f"{len(wrong)} files of the batch {uid} are not as they were, the first is {wrong[0]}")
        self._sums = {}
        self._batches.add(uid)
        self._tell(len(self._batches), int(self._about["batches"]), uid)

    def _write(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> str:
        read, digest = tar.extractfile(member), hashlib.sha256()
        assert read is not None  # noqa: S101  (a regular file)
        with self._opened(path) as file:
            while block := read.read(backups.BLOCK):
                digest.update(block)
                file.write(block)
        if self._wanted(path):
            os.utime(path, (member.mtime, member.mtime))
        return digest.hexdigest()

    def _opened(self, path: Path) -> BinaryIO:
        if not self._wanted(path):
            return Path(os.devnull).open("wb")
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def _json(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, Any]:
        read = tar.extractfile(member)
        assert read is not None  # noqa: S101  (a regular file)
        told: dict[str, Any] = json.loads(read.read())
        return told

    def _damaged(self, why: str) -> Failed:
        return Failed(f"{self._archive} is damaged: {why}. Nothing was restored; take another backup.")


def _check_database(path: Path) -> None:
    """Raises Failed where it is damaged, or knows changes that this cardocr does not."""
    with closing(sqlite3.connect(path)) as database:
        if database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise Failed("The database in the backup is damaged. Nothing was restored; take another backup.")
        applied = set(database.execute("SELECT app, name FROM django_migrations").fetchall())
        folders = database.execute("SELECT uid, label FROM batches_batch").fetchall()
    for uid, label in folders:  # files are brought there
        if not UID.fullmatch(str(uid)) or not _is_name(label):
            raise Failed(f"The backup is damaged: “{label or uid}” is no name of a folder. Nothing was restored.")
    newer = versions.unknown(applied)
    if newer:
        raise Failed(f"The backup is of a newer cardocr (it knows {' '.join(newer[0])}): install that one first.")


def _is_name(label: str | None) -> bool:
    """As of a folder of ours, whose parts nothing of it leaves. A draft has none."""
    return label is None or (label not in {"", ".", ".."} and not {"/", "\\", "\0"} & {*label})


def _bring(place: Path, data: Path, restored: Restored, tell: Tell) -> None:
    """The database last: it is what makes the folder a restored one. Where that fails, the files go back."""
    moves = _Moves()
    try:
        if connection.vendor == "sqlite":
            _settle(place, data, restored, moves)
            moves.move(place / backups.DATABASE, _database())
        else:
            number = restored.complete
            with transaction.atomic():
                with rows.opened(place / backups.DATABASE) as beside:
                    restored.replaced = rows.copy(
                        beside, "default", lambda table: tell(number, number, f"rows of {table}")
                    )
                _settle(place, data, restored, moves)
    except BaseException:
        moves.undo()
        raise
    durable.sync_disk(data)


class _Moves:
    def __init__(self) -> None:
        self._made: list[tuple[Path, Path]] = []

    def move(self, source: Path, target: Path) -> None:
        source.replace(target)
        self._made.append((source, target))

    def undo(self) -> None:
        for source, target in reversed(self._made):
            with suppress(OSError):
                target.replace(source)


def _settle(place: Path, data: Path, restored: Restored, moves: _Moves) -> None:
    """Renames alone."""
    with closing(sqlite3.connect(place / backups.DATABASE)) as database:
        found = database.execute("SELECT uid, label, deleted_at FROM batches_batch").fetchall()
    durable.sync_disk(place)
    for uid, label, deleted_at in found:
        made = Batch(uid=uid, label=label, deleted_at=deleted_at and datetime.fromisoformat(deleted_at))
        folder, target = place / backups.FILES / uid, store.settled(made)
        if folder.is_dir():
            target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            moves.move(folder, target)
            restored.batches += 1
    left = place / backups.FILES
    restored.unknown = sorted(path.name for path in left.iterdir()) if left.is_dir() else []
    if restored.keys:
        for name in backups.NAMES_OF_KEYS:
            _bring_key(place / name, data / name, moves)


def _bring_key(source: Path, target: Path, moves: _Moves) -> None:
    """One that is there already, made by a start or put there by a person, may be the only one: it stays beside it."""
    if not source.is_file():
        return
    if target.is_file() and target.read_bytes() != source.read_bytes():
        moves.move(target, target.with_name(f"{target.name}.before-{timezone.now():%Y-%m-%d_%H-%M-%S}"))
    moves.move(source, target)
