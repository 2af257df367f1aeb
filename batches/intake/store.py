"""Where files lie: nothing else builds a path. Rows hold names, never places. storage.py says how they are kept,
moves.py brings them from one place to another.

    data/temp/<uid>/          a draft                  data/temp/_parts/   files still being written
    data/batches/<label>/     from its start on        data/locks/<uid>    held shared to write, exclusively to move
    data/trash/<uid>/         deleted                  <batch>/{_errors,_derived,results,_held}/

A folder is found where it is, not where the row says: the rename follows the commit, and a crash may lie between.
Where files are kept as objects, it is data/cache/<uid>/ that stands for <prefix>/<uid>/ from the draft to the end.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from django.conf import settings
from django.utils import timezone

from batches.intake import durable, names, taking_turns
from batches.intake.storage import Folder, Storage
from batches.intake.storage import made as _made
from batches.intake.unreachable import Unreachable
from batches.models import Batch, Card, CardScan, Sheet, Upload

if TYPE_CHECKING:
    from batches.intake.objects import Objects

ERRORS, DERIVED, RESULTS, HELD = "_errors", "_derived", "results", "_held"
_RESULT_FILES = (".json", ".txt", "_2.json", "_2.txt")
AnyScan = Card | CardScan | Sheet
_IMAGE = re.compile(r"(.+)-(?:full|(?:page|thumb|\d+px)-r\d+)\.jpg")  # behind the name of a card, and perhaps a tag
_TAGGED = re.compile(r"(.+)-(?:s\d+)?(?:c[\d.]+)?")


_FOLDER = Folder()


def kept() -> Storage:
    return _objects() if settings.FILES_URL else _FOLDER


def _objects() -> "Objects":
    from batches.intake import connecting  # an extra

    return connecting.objects(settings.FILES_URL, _area("cache"), _parts())


def _area(*names: str) -> Path:
    return Path(settings.DATA_DIR, *names)


def label(batch: Batch, now: datetime) -> str:
    """The folder's name from the start on: name, local time, uid."""
    name = names.slug(batch.name, characters=60, size=180) or "batch"
    return f"{name}_{timezone.localtime(now):%Y-%m-%d_%H-%M}_{batch.uid}"


def settled(batch: Batch) -> Path:
    """Where its row says that its folder lies."""
    if settings.FILES_URL:
        return _area("cache", batch.uid)
    return home(batch) if batch.deleted_at is None else trash(batch)


def home(batch: Batch) -> Path:
    """Its place when it is not in the trash."""
    return _area("batches", batch.label) if batch.label else _area("temp", batch.uid)


def trash(batch: Batch) -> Path:
    return _area("trash") / batch.uid


def places(batch: Batch) -> list[Path]:
    """Every place where the folder may be, the wanted one first."""
    if settings.FILES_URL:
        return [settled(batch)]
    places = [settled(batch), home(batch), _area("temp") / batch.uid, trash(batch)]
    return list(dict.fromkeys(places))


def fresh(batch: Batch) -> Batch | None:
    """What its row says now; None: it is gone."""
    return Batch.objects.only("uid", "label", "deleted_at").filter(pk=batch.pk).first()


def folder(batch: Batch) -> Path:
    """The batch's folder, where it is now. One that is not made yet: where it will be."""
    wanted = settled(batch)
    if settings.FILES_URL or wanted.is_dir():  # nearly always
        return wanted
    for place in places(batch):
        if place.is_dir():
            return place
    now = fresh(batch) or batch  # the object may be older than the start
    return next((place for place in places(now) if place.is_dir()), settled(now))


def results_folder(batch: Batch) -> Path:
    return folder(batch) / RESULTS


def find(scan: AnyScan) -> Path:
    """The source image, on this disk. Raises FileNotFoundError."""
    for _ in range(2):  # a move may pass by between the looks
        for path in sources(scan):
            if found := kept().present(path):
                return found
    raise FileNotFoundError(scan.source)


def sources(scan: AnyScan) -> tuple[Path, Path]:
    """Where its source may lie: in the folder, or with what failed."""
    base = folder(scan.batch)
    return base / scan.source, base / ERRORS / scan.source


def _picture(scan: AnyScan) -> str:
    return f"{scan.filename}-{scan.tag}" if scan.tag else scan.filename


def _derived(scan: AnyScan, kind: str) -> Path:
    return folder(scan.batch) / DERIVED / f"{_picture(scan)}-{kind}.jpg"


def derived(scan: AnyScan, kind: Literal["page", "thumb"], rotation: int | None = None) -> Path:
    """The page image or thumbnail, turned as the scan stands; perhaps not made yet."""
    return _derived(scan, f"{kind}-r{scan.rotation if rotation is None else rotation}")


def sized(scan: AnyScan, max_px: int, rotation: int) -> Path:
    return _derived(scan, f"{max_px}px-r{rotation}")


def full_size(scan: AnyScan) -> Path:
    """The scan as a JPEG of its own size, where the source is none that every decoder reads, or only a part of it."""
    return _derived(scan, "full")


def all_derived(base: Path, filenames: Collection[str] = (), *, pictures: Collection[str] = ()) -> Iterator[Path]:
    """What was made of scans with these stored names, in all editions and regions; and of these pictures alone.

    `base`: the batch's folder. One walk through it, however many scans are meant.
    """
    place = base / DERIVED
    for name in kept().names(place, [f"{one}-" for one in (*filenames, *pictures)]):
        if image := _IMAGE.fullmatch(name):
            tagged = _TAGGED.fullmatch(image[1])
            if image[1] in pictures or image[1] in filenames or (tagged and tagged[1] in filenames):
                yield place / name


def error_copy(scan: AnyScan) -> Path:
    """A failed part of a shared source in `_errors/`. No stored name holds two dashes side by side."""
    return _error_copy(folder(scan.batch), scan.filename)


def _error_copy(base: Path, filename: str) -> Path:
    return base / ERRORS / f"{Path(filename).stem}--page.jpg"


def part() -> Path:
    """A new name for a file being written; renamed into place, or cleared away after a day."""
    return durable.part(_parts())


def part_of(upload: Upload) -> Path:
    """Of a file that comes in parts: what has come of it so far."""
    return _parts() / f"{upload.batch_id}-{upload.pk}-{upload.created_at:%Y%m%d%H%M%S%f}.part"


def held(upload: Upload) -> Path:
    """A whole file that is no scan yet: a duplicate that a person decides about, a container being opened."""
    return folder(upload.batch) / HELD / str(upload.pk)


def lock(name: str) -> Path:
    """Of a piece of work that one process does at a time: see alone.py."""
    return _made(_area("locks")) / name


def opening_lock(upload: Upload) -> Path:
    return lock(f"{upload.batch.uid}.open-{upload.pk}")


def again(path: Path) -> Path:
    """A second name for a file of this disk: where it is moved away and a crash cuts off its row, the first stays."""
    other = part()
    try:
        os.link(path, other)
    except OSError:  # some network drives have one name for each file
        shutil.copyfile(path, other)
        durable.flush([other])
    return other


def hold(upload: Upload, received: Path) -> None:
    """Keep a received file beside the scans; its own name is its owner's to remove."""
    target = held(upload)
    if not settings.FILES_URL:
        durable.sync_folder(_made(target.parent).parent)
        received = again(received)
    kept().keep({received: target})


def all_held() -> list[Path]:
    """Of all batches; a file's name is the key of its row."""
    bases = map(folder, _lately()) if settings.FILES_URL else folders()
    return [base / HELD / name for base in bases for name in kept().names(base / HELD)]


def _lately() -> Iterable[Batch]:
    """Drafts to which files came of late. Of objects each look is a request, and what a crash left is new."""
    lately = timezone.now() - timedelta(days=3)
    return Batch.objects.filter(label=None, uploads__created_at__gte=lately).distinct()


def trouble() -> str:
    """Why scans cannot be fetched now, for people; empty: they can. Asked of the storage, which may take a while."""
    if settings.FILES_URL:
        try:
            _objects().knock()
        except Unreachable as error:
            return error.message
    return ""


def probe() -> float:
    """Write, read back, list, delete; how many seconds the storage's clock is before ours. Raises Unreachable."""
    return _objects().probe()


def tidy() -> None:
    """What was cut off on its way in, and is not among `parts`."""
    if settings.FILES_URL:
        _objects().tidy()


def parts() -> list[Path]:
    """Files being written, and what was left of them; the sweeper clears away the old ones."""
    return sorted(path for path in _entries(_area("temp", "_parts")) if path.is_file())


def write_atomic(path: Path, data: bytes, dated: datetime | None = None) -> None:
    """The whole file or none, and on the disk when this returns; with a date of its own, where one is given."""
    kept().write({path: data}, _parts(), None if dated is None else dated.timestamp())


def write_together(files: Mapping[Path, bytes]) -> None:
    """As write_atomic, for many: each whole or not there, and their folders are waited for once."""
    kept().write(files, _parts())


def making(paths: Sequence[Path]) -> AbstractContextManager[Sequence[Path]]:
    return kept().making(paths, _parts())


def _parts() -> Path:
    return _made(_area("temp", "_parts"))


def writing(batch: Batch) -> AbstractContextManager[None]:
    """Files may be written into the folder: it is not moved meanwhile. Any number at once."""
    return taking_turns.writing(_lock(batch))


def moving(batch: Batch) -> AbstractContextManager[None]:
    """The folder is nobody else's."""
    return taking_turns.moving(_lock(batch))


def _lock(batch: Batch) -> Path:
    return lock(batch.uid)


def make(batch: Batch) -> Path:
    """The folder, made where it is missing."""
    return folder(batch) if settings.FILES_URL else _made(folder(batch))


def is_made(batch: Batch) -> bool:
    """Whether its folder is there. Of what needs none, it always is."""
    return bool(settings.FILES_URL) or folder(batch).is_dir()


def copies_of_database() -> list[Path]:
    """Kept before a newer version changed it."""
    return list(_area("backups").glob("before-*.sqlite3"))


def forget_copies() -> None:
    """Nobody asked for them, so nobody would think of them when something is erased for good."""
    for copy in copies_of_database():
        copy.unlink(missing_ok=True)


def erase(batch: Batch) -> None:
    """Delete the folder for good, wherever it is."""
    with moving(batch):
        for place in places(batch):
            kept().clear(place)
    taking_turns.forget(_lock(batch))


def weight(batch: Batch) -> int:
    """Bytes of all its files, wherever they are."""
    return sum(kept().weight(place) for place in places(batch))


def forget_images(batch: Batch, scans: Iterable[AnyScan]) -> None:
    """Those of pictures that no card shows any more."""
    pictures = {_picture(scan) for scan in scans}
    with writing(batch):
        kept().remove(list(all_derived(folder(batch), pictures=pictures)))


def forget(batch: Batch, scans: Sequence[AnyScan], used: Collection[str]) -> None:
    """Delete what belongs to removed cards; the sources too that are not among the used ones."""
    filenames = {scan.filename for scan in scans}
    with writing(batch):
        base = folder(batch)
        doomed = [*all_derived(base, filenames), *(_error_copy(base, name) for name in filenames)]
        for source in {scan.source for scan in scans}.difference(used):
            doomed += [base / source, base / ERRORS / source]
        kept().remove(doomed)


def forget_card(batch: Batch, filenames: Collection[str], sources: Collection[str]) -> None:
    """As `forget`, of an erased card: with its result files."""
    with writing(batch):
        base = folder(batch)
        doomed = [*all_derived(base, filenames), *(_error_copy(base, name) for name in filenames)]
        doomed += [base / RESULTS / f"{name}_ocr_results{ending}" for name in filenames for ending in _RESULT_FILES]
        doomed += [place / source for source in sources for place in (base, base / ERRORS)]
        kept().remove(doomed)


def forget_held(batch: Batch, key: int) -> None:
    kept().remove([folder(batch) / HELD / str(key)])


def drafts_on_disk() -> list[str]:
    """The uids of the folders that lie where drafts lie; of a started batch, its move was cut off by a crash."""
    area = _area("temp")
    return [entry.name for entry in os.scandir(area) if entry.name != "_parts"] if area.is_dir() else []


def folders() -> list[Path]:
    """Of all batches that there are: drafts, started ones, deleted ones."""
    if settings.FILES_URL:
        return sorted(_objects().folders())
    found = [Path(entry) for area in ("temp", "batches", "trash") for entry in _entries(_area(area))]
    return sorted(path for path in found if path.is_dir() and path.name != "_parts")


def scans(batch: Batch) -> list[Path]:
    """The files that are there, those of failed cards too."""
    base = folder(batch)
    return sorted(place / name for place in (base, base / ERRORS) for name in kept().names(place))


def _entries(place: Path) -> list[Path]:
    return [Path(entry) for entry in os.scandir(place)] if place.is_dir() else []
