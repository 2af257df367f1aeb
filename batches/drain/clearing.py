"""Deletes what an administrator has looked at and confirmed, batch by batch, in blocks.

Each item of it is a small state machine in its row, so that whoever comes after a kill goes on where it stood:

1. waiting: under the batch's lock it is looked at once more. Where somebody has been at it since the preview, it is
   left, and that is told. Otherwise it goes out of everybody's sight, and nobody can take it out of the trash any more.
2. begun: cards go in blocks; with the last, in one transaction, the batch, and the tombstone stands in the audit log.
3. rows gone: the files, by the uid and label that the item keeps. Then it is done.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from batches import changes
from batches.drain.presence import run_folder
from batches.intake import store
from batches.intake.alone import alone
from batches.intake.unreachable import Unreachable
from batches.models import Batch, Card, Clearing, ClearingItem
from batches.queries import old
from cardocr_site import log_context
from cardocr_site.accounts import audit

log = logging.getLogger(__name__)

BLOCK = 500
CHANGED, BUSY, GONE = "changed", "busy", "gone"  # why an item is left
State = ClearingItem.State
OPEN = (State.WAITING, State.BEGUN, State.ROWS_GONE)
Stopping = Callable[[], bool]


def go_on(stopping: Stopping = lambda: False) -> None:
    """Do what is confirmed. One process at a time; several would do no harm."""
    if not Clearing.objects.filter(confirmed_at__isnull=False, finished_at=None).exists():
        return
    with alone(run_folder() / "clearing.lock") as mine:
        if not mine:
            return
        for clearing in Clearing.objects.filter(confirmed_at__isnull=False, finished_at=None).order_by("pk"):
            _clear(clearing, stopping)


def _clear(clearing: Clearing, stopping: Stopping) -> None:
    for item in clearing.items.filter(state__in=OPEN).order_by("pk"):
        with log_context.of(batch=item.batch):
            item.clearing = clearing
            try:
                _do(item, stopping)
            except Unreachable as error:  # and so would be all others; the next round tries again
                log.warning("Something old could not be deleted yet: %s", error)
                return
            except OSError as error:  # of this folder alone; it is tried again, too
                log.warning("Something old could not be deleted yet: %s", error)
        if stopping():
            return
    if not clearing.items.filter(state__in=OPEN).exists():
        _finish(clearing)


def _finish(clearing: Clearing) -> None:
    with transaction.atomic():
        ended = Clearing.objects.filter(pk=clearing.pk, finished_at=None).update(finished_at=timezone.now())
        if ended:
            done = clearing.items.filter(state=State.DONE).aggregate(cards=Sum("cards"), number=Sum("done"))
            left = clearing.items.filter(state=State.LEFT).count()
            details = {"which": clearing.kind, "cards": done["cards"] or 0, "number": done["number"] or 0, "left": left}
            audit.record("cleared", by=clearing.by, kind="clearing", name=clearing.token, details=details)


def _do(item: ClearingItem, stopping: Stopping) -> None:
    if item.state == State.WAITING and not _begin(item):
        return
    try:
        if item.state == State.BEGUN and not _delete(item, stopping):
            return
    except Batch.DoesNotExist:  # what was to go from it has gone with it: it was emptied out of the trash meanwhile
        _note(item, state=State.DONE if item.done else State.LEFT, why=GONE)
        return
    if item.state == State.ROWS_GONE:
        store.erase(Batch(pk=item.batch, uid=item.uid, label=item.label, deleted_at=timezone.now()))
        _note(item, state=State.DONE)


def _note(item: ClearingItem, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(item, name, value)
    ClearingItem.objects.filter(pk=item.pk).update(**fields)


def _begin(item: ClearingItem) -> bool:
    if item.batch is None:
        _note(item, state=State.BEGUN)
        return True
    try:
        with changes.locked(item.batch) as change:
            item.state = ClearingItem.objects.get(pk=item.pk).state
            if item.state != State.WAITING:  # another machine has begun it
                return item.state != State.LEFT
            why = _has_changed(item, change.batch)
            if not why:
                if item.clearing.kind in old.WHOLE:
                    _hide(item, change)
                _note(item, state=State.BEGUN)
    except Batch.DoesNotExist:
        why = GONE
    if why:
        ClearingItem.objects.filter(pk=item.pk, state=State.WAITING).update(state=State.LEFT, why=why)
    return not why


def _has_changed(item: ClearingItem, batch: Batch) -> str:
    """Why it is not to be deleted after all; empty: it is as the preview saw it, and nobody is at it."""
    if batch.version != item.version:
        return CHANGED
    there = old.batches(item.clearing.kind, item.clearing.before).filter(pk=batch.pk).exists()
    return "" if there else BUSY


def _hide(item: ClearingItem, change: changes.Change) -> None:
    fields: dict[str, Any] = {"going": True}
    if change.batch.deleted_at is None:
        change.batch.deleted_at = timezone.now()
        fields |= {"deleted_at": change.batch.deleted_at, "deleted_by": item.clearing.by}
    change.set(**fields)


def _delete(item: ClearingItem, stopping: Stopping) -> bool:
    """False: it is cut short, or was left."""
    kind, before = item.clearing.kind, item.clearing.before
    if kind in old.WHOLE:
        return _delete_batch(item, stopping)
    if kind == Clearing.Kind.REPLIES:
        rows: QuerySet[Any] = old.replies(before).filter(card__batch=item.batch)
        return _in_blocks(item, rows, lambda block: block.update(raw_reply=""), stopping)
    if kind == Clearing.Kind.READINGS:
        rows = old.readings(before).filter(card__batch=item.batch)
        return _in_blocks(item, rows, lambda block: block.delete(), stopping)
    return _in_blocks(item, old.leftovers(item.name, before), lambda block: block.delete(), stopping)


def _in_blocks(
    item: ClearingItem, rows: QuerySet[Any], delete: Callable[[QuerySet[Any]], object], stopping: Stopping
) -> bool:
    while not stopping():
        with _held(item) as change:
            if change is not None and change.batch.version != item.version:
                _note(item, state=State.DONE if item.done else State.LEFT, why=CHANGED)
                return False
            pks = list(rows.order_by("pk").values_list("pk", flat=True)[:BLOCK])
            if not pks:
                _note(item, state=State.DONE)
                return True
            delete(rows.filter(pk__in=pks))
            _count(item, len(pks))
    return False


@contextmanager
def _held(item: ClearingItem) -> Iterator[changes.Change | None]:
    if item.batch is None:
        with transaction.atomic():
            yield None
    else:
        with changes.locked(item.batch) as change:
            yield change


def _count(item: ClearingItem, number: int) -> None:
    item.done += number
    ClearingItem.objects.filter(pk=item.pk).update(done=F("done") + number)


def _delete_batch(item: ClearingItem, stopping: Stopping) -> bool:
    batch = Batch.objects.filter(uid=item.uid).first()
    if batch is None:  # it was being deleted by hand at the same time
        _note(item, state=State.ROWS_GONE)
        return True
    while pks := list(batch.cards.order_by("pk").values_list("pk", flat=True)[:BLOCK]):
        if stopping():
            return False
        with transaction.atomic():
            _every, each = batch.cards.filter(pk__in=pks).delete()
            _count(item, each.get(Card._meta.label, 0))  # without those that another machine has deleted
    details = {"cards": item.cards, "reviewed": item.reviewed, "which": item.clearing.kind, "uid": item.uid}
    with suppress(Batch.DoesNotExist), changes.locked(batch):  # by another machine: it has written that down
        audit.record("erase_batch", by=item.clearing.by, of=batch, details=details)
        batch.delete()
    _note(item, state=State.ROWS_GONE)
    return True
