"""Files follow their rows: a batch's folder from draft to start to trash, an image to what failed and back.

Each move is made again where a crash has cut it off, and again is harmless.
"""

from contextlib import suppress
from pathlib import Path

from django.conf import settings

from batches.intake import durable, storage, store
from batches.models import Batch, Card
from batches.states import CardStatus


def settle(batch: Batch) -> None:
    """Bring the folder to where the row says: after the start, and again at boot, should a crash have cut it."""
    with store.moving(batch):
        fresh = store.fresh(batch)
        if fresh is not None:
            _move(fresh, store.settled(fresh))


def to_trash(batch: Batch) -> None:
    with store.moving(batch):
        _move(store.fresh(batch) or batch, store.trash(batch))


def from_trash(batch: Batch) -> None:
    with store.moving(batch):
        fresh = store.fresh(batch) or batch
        _move(fresh, store.home(fresh))


def _move(batch: Batch, target: Path) -> None:
    if settings.FILES_URL:
        return
    storage.made(target.parent)
    here = next((place for place in (target, *store.places(batch)) if place.is_dir()), None)
    if here is None:
        storage.made(target)
    elif here != target:
        here.rename(target)
        durable.sync_folder(here.parent)
    durable.sync_folder(target.parent)


def place(card: Card) -> None:
    """Bring the images in line with the card's status: failed → `_errors/`, otherwise the folder."""
    with store.moving(card.batch):
        status = Card.objects.filter(pk=card.pk).values_list("status", flat=True).first()
        if status is None:
            return
        for scan in card.sides:
            _place(scan, failed=status == CardStatus.FAILED)


def bring_back(scan: store.AnyScan) -> None:
    """A scan that is its card's no longer lies in the folder, not in `_errors/`."""
    with store.moving(scan.batch):
        _place(scan, failed=False)


def _place(scan: store.AnyScan, *, failed: bool) -> None:
    if scan.shares_source:
        _place_copy(scan, failed=failed)
        return
    inside, outside = store.sources(scan)
    if settings.FILES_URL:
        _copy(inside, outside) if failed else store.kept().remove([outside])
        return
    here, there = (inside, outside) if failed else (outside, inside)
    if here.is_file() and not there.exists():
        storage.made(there.parent)
        durable.replace(here, there)
        durable.sync_folder(here.parent)


def _copy(source: Path, target: Path) -> None:
    with suppress(FileNotFoundError):
        if not store.kept().has(target):
            store.kept().copy(source, target)


def _place_copy(scan: store.AnyScan, *, failed: bool) -> None:
    copy, page = store.error_copy(scan), store.derived(scan, "page")
    if not failed:
        store.kept().remove([copy])
    elif store.kept().has(page) and not store.kept().has(copy):
        store.write_atomic(copy, store.kept().local(page).read_bytes())
