"""Whole-batch changes: the status flips first, the cards follow in blocks; cut short, the sweeper goes on."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from batches import changes
from batches.models import Batch, Card
from batches.queries.rereading import READ
from batches.states import BatchStatus, CardStatus

BLOCK = 5000

# What a card forgets when it is read again although it was read; the rest is what it goes back to.
ANEW: dict[str, Any] = {
    "error": "",
    "error_message": "",
    "skip_reason": "",
    "tries": 0,
    "crashes": 0,
    "called_at": None,
    "not_before": None,
    "worker": None,
    "lease_until": None,
}
AS_IT_WAS = ANEW | {"rereading": None}
AFRESH = AS_IT_WAS | {"finished_at": None, "files_due": True}  # when it was not read, and is to be


def _block(cards: QuerySet[Card]) -> QuerySet[Card]:
    return Card.objects.filter(pk__in=list(cards.order_by("pk").values_list("pk", flat=True)[:BLOCK]))


def cancel_some(batch_id: int) -> bool:
    """Cancel one block of waiting cards of a cancelled batch; True while there are more.

    Cards that a living worker holds are left to it: what is in flight completes and is kept.
    """
    with changes.locked(batch_id) as change:
        if change.batch.status != BatchStatus.CANCELLED:
            return False
        change.batch.cards.filter(rereading__isnull=False, status__in=READ).update(rereading=None)
        free = change.batch.cards.filter(status=CardStatus.PENDING, worker=None)
        moved = stop_cards(change, _block(free), not_before=None)
        change.end_rereading(timezone.now())
    return moved == BLOCK


def finish_stop(batch_id: int) -> None:
    """Cancel all that a stop has left: who sends a few cards back would have them all read."""
    while cancel_some(batch_id):
        continue


def stop_cards(change: changes.Change, cards: QuerySet[Card], **fields: Any) -> int:
    """Cards that were to be read are not: one that has a result goes back to it, the others are stopped."""
    kept = Card.objects.filter(pk__in=list(cards.filter(result__isnull=False).values_list("pk", flat=True)))
    returned = change.move_cards(kept, CardStatus.COMPLETED, **(fields | AS_IT_WAS))
    now = timezone.now()
    stopped = cards.filter(result=None)
    return returned + change.move_cards(stopped, CardStatus.CANCELLED, finished_at=now, rereading=None, **fields)


def read_again_some(batch_id: int) -> bool:
    """Send one block of the cards back that a re-reading means; True while there are more."""
    with changes.locked(batch_id) as change:
        batch = change.batch
        if batch.rereading_id is None or batch.status in {BatchStatus.DRAFT, BatchStatus.CANCELLED}:
            return False
        meant = batch.cards.filter(rereading=batch.rereading_id, status__in=READ)
        moved = change.move_cards(_block(meant), CardStatus.PENDING, **ANEW)
        if not moved:
            change.finish_if_done(timezone.now())
    return moved == BLOCK


def retry_some(batch_id: int) -> bool:
    """Send one block of the failed cards back that a whole-batch retry meant; True while there are more."""
    with changes.locked(batch_id) as change:
        upto = change.batch.retry_upto
        if upto is None:
            return False
        failed = change.batch.cards.filter(status=CardStatus.FAILED, version__lte=upto)
        moved = change.move_cards(_block(failed), CardStatus.PENDING, **AFRESH)
        if moved == BLOCK:
            return True
        change.set(retry_upto=None)
        change.finish_if_done(timezone.now())
    return False


def read_rest_some(batch_id: int) -> bool:
    """Send one block of stopped cards back in a batch that was resumed after it was stopped."""
    with changes.locked(batch_id) as change:
        if change.batch.status in {BatchStatus.DRAFT, BatchStatus.CANCELLED}:
            return False
        return read_rest_in(change)


def read_rest_in(change: changes.Change) -> bool:
    """The same, in the change that resumes it: a queued batch in which nothing waits would be taken for done."""
    stopped = change.batch.cards.filter(status=CardStatus.CANCELLED)
    return change.move_cards(_block(stopped), CardStatus.PENDING, **AFRESH) == BLOCK


def finish_cut_short() -> None:
    """Go on with what a crash cut short, and complete batches in which nothing is left to do."""
    waiting = Batch.objects.filter(deleted_at=None)
    for pk in waiting.filter(status=BatchStatus.CANCELLED, pending__gt=0).values_list("pk", flat=True):
        finish_stop(pk)
    for pk in waiting.filter(status=BatchStatus.CANCELLED).exclude(rereading=None).values_list("pk", flat=True):
        cancel_some(pk)
    for pk in waiting.exclude(rereading=None).values_list("pk", flat=True):
        while read_again_some(pk):
            continue
    for pk in waiting.exclude(retry_upto=None).values_list("pk", flat=True):
        while retry_some(pk):
            continue
    done = waiting.filter(status__in=[BatchStatus.QUEUED, BatchStatus.RUNNING], pending=0, processing=0)
    for pk in done.filter(retry_upto=None).values_list("pk", flat=True):
        with changes.locked(pk) as change:
            change.finish_if_done(timezone.now())
