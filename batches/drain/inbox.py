"""The watched inbox: files laid into a folder of it become a draft of that name.

A file is taken when it has stopped growing, and goes once it stands in the batch; killed in between, it is known by
path, size and time, and stands once. One machine at a time empties a folder. A file that is refused lies in `refused/`
then, with the reason beside it.
"""

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from zlib import crc32

from django.conf import settings
from django.db import transaction

from batches import news
from batches.intake import order, store, uploads, upright
from batches.intake.alone import alone
from batches.intake.entering import stands
from batches.intake.receiving import Refused
from batches.models import Batch, Upload
from batches.states import BatchStatus, UploadStatus
from cardocr_site.accounts.models import User
from ocr import people

log = logging.getLogger(__name__)

REFUSED = "refused"
PIECE = 1_000_000
LOCKS = 16  # folders share them
LONGEST = 250  # bytes of a name that the note's ending fits behind
_IGNORED = {"thumbs.db", "desktop.ini", "ehthumbs.db"}
_UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".filepart")  # programs rename these when they are whole


class _Changed(Exception):
    """The file was written to while it was read: it is looked at again."""


@dataclass(frozen=True, slots=True)
class Found:
    path: Path
    folder: str  # of the inbox
    name: str  # inside it, with subfolders
    size: int
    mtime: int  # nanoseconds

    @property
    def key(self) -> str:
        return uploads.key_of(f"inbox:{self.folder}/{self.name}|{self.size}|{self.mtime}")


class Inbox:
    def __init__(self, on_taken: Callable[[int], None], is_stopping: Callable[[], bool] = lambda: False) -> None:
        self._on_taken, self._is_stopping = on_taken, is_stopping
        self._seen: set[Found] = set()
        self._old: set[Found] | None = None  # what lay there when this process began
        self._told: set[tuple[Path, int | None]] = set()

    def look(self) -> None:
        """Take what has not changed since the last look."""
        found = set(_files(self._tell))
        if self._old is None:
            self._old = found
        ripe, self._seen = sorted(found & self._seen, key=lambda one: one.path), found
        if not ripe:
            return
        touched: set[int] = set()
        for folder, files in groupby(ripe, attrgetter("folder")):
            with alone(store.lock(f"inbox-{crc32(folder.encode()) % LOCKS}")) as mine:
                if mine and not self._take_all(files, touched):
                    break
        for batch in Batch.objects.filter(pk__in=touched):
            order.settle_draft(batch)
            self._on_taken(batch.pk)

    def _take_all(self, files: Iterable[Found], touched: set[int]) -> bool:
        """False: no more can be taken now."""
        for one in files:
            if self._is_stopping():
                return False
            try:
                upload = self._take(one)
            except (Refused, _Changed, FileNotFoundError):  # started or written to this moment: at the next look
                continue
            except OSError as error:  # a file that may not be read or removed, perhaps; the others go on
                self._tell(one.path, error)
                continue
            if upload.code == "STORAGE_FULL":
                log.warning("The inbox waits: %s", upload.message)
                return False
            touched.add(upload.batch_id)
        return True

    def _take(self, found: Found) -> Upload:
        if not _is_there(found):  # by now another machine may have taken it
            raise _Changed
        upload = self._taken_before(found)
        if upload is None:
            batch = _draft(found.folder)
            upload = uploads.take(batch, found.name, _pieces(found), client_key=found.key, size=found.size)
        if upload.status == UploadStatus.REFUSED:
            if upload.code != "STORAGE_FULL":
                _lay_aside(found, upload.message)
        else:
            _remove(found)
        return upload

    def _tell(self, path: Path, error: OSError) -> None:
        """Once: it is looked at every few seconds."""
        if (path, error.errno) not in self._told:
            self._told.add((path, error.errno))
            log.warning("The inbox cannot take %s: %s", path, error.strerror)

    def _taken_before(self, found: Found) -> Upload | None:
        """A killed process had taken it, and its batch was started meanwhile. A copy laid there later is new."""
        if self._old is None or found not in self._old:
            return None
        upload = Upload.objects.filter(batch__inbox=found.folder, client_key=found.key).first()
        return upload if upload is not None and stands(upload) else None


def _files(failed: Callable[[Path, OSError], None]) -> Iterator[Found]:
    inbox = Path(settings.INBOX_DIR)
    inbox.mkdir(mode=0o750, parents=True, exist_ok=True)
    for folder in _entries(inbox, failed):
        if folder.is_dir(follow_symlinks=False) and not folder.name.startswith("."):
            for entry in _below(folder.path, failed):
                path = Path(entry.path)
                try:
                    told = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # removed this moment
                    continue
                name = _text(str(path.relative_to(folder.path)))
                yield Found(path, _text(folder.name), name, told.st_size, told.st_mtime_ns)


def _entries(folder: Path | str, failed: Callable[[Path, OSError], None]) -> list["os.DirEntry[str]"]:
    try:
        return list(os.scandir(folder))
    except OSError as error:
        failed(Path(folder), error)
        return []


def _below(folder: str, failed: Callable[[Path, OSError], None], *, top: bool = True) -> Iterator["os.DirEntry[str]"]:
    for entry in _entries(folder, failed):
        if entry.name.startswith((".", "~$")) or (top and entry.name == REFUSED):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, failed, top=False)
        elif entry.is_file(follow_symlinks=False):
            low = entry.name.lower()
            if low not in _IGNORED and not low.endswith(_UNFINISHED):
                yield entry


def _text(name: str) -> str:
    """A name that no database refuses: bytes that are no UTF-8 come from old programs and shares."""
    return os.fsencode(name).decode(errors="replace")


def _pieces(found: Found) -> Iterator[bytes]:
    """Raises _Changed where the file is not the one that was looked at."""
    handle = os.open(found.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        while piece := file.read(PIECE):
            yield piece
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode) or (told.st_size, told.st_mtime_ns) != (found.size, found.mtime):
            raise _Changed


def _draft(folder: str) -> Batch:
    """The folder's draft, made where there is none. One that was started is not added to: the next one is new."""
    draft = Batch.objects.filter(inbox=folder, status=BatchStatus.DRAFT, deleted_at=None).order_by("-pk").first()
    if draft is not None:
        return draft
    person = owner()
    engine, model = people.preferred(person)
    with transaction.atomic():
        made = Batch.objects.create(
            name=folder[:200],
            inbox=folder,
            owner=person,
            options=upright.first_options(),
            engine=engine,
            model=model,
        )
        news.from_inbox(made)
    return made


def owner() -> User:
    """Raises User.DoesNotExist: the log says it, the files stay where they are."""
    people = User.objects.filter(is_active=True)
    if settings.INBOX_OWNER:
        return people.get(username=settings.INBOX_OWNER)
    return people.filter(role=User.Role.ADMINISTRATOR).order_by("pk")[:1].get()


def _remove(found: Found) -> None:
    """Unless another file has that name by now."""
    if _is_there(found):
        found.path.unlink()


def _is_there(found: Found) -> bool:
    """Raises FileNotFoundError where nothing is."""
    told = found.path.stat(follow_symlinks=False)
    return (told.st_size, told.st_mtime_ns) == (found.size, found.mtime)


def _lay_aside(found: Found, why: str) -> None:
    """Into `refused/`, under a free name, with a note. The note first: a file without its reason helps nobody."""
    inside = found.path.relative_to(settings.INBOX_DIR)
    target = Path(settings.INBOX_DIR, inside.parts[0], REFUSED, *inside.parts[1:])
    target.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{found.path.stem}-{number}{found.path.suffix}")
    note = os.fsencode(target.name)[:LONGEST] + b".txt"
    target.with_name(os.fsdecode(note)).write_text(f"{found.name}: {why}\n", encoding="utf-8")
    found.path.rename(target)
