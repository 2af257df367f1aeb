"""Deleting a batch: into the trash, back, or for good. Files follow the rows."""

from functools import partial

from django.db import transaction
from django.utils import timezone

from batches import changes
from batches.actions import activity, runs
from batches.intake import moves, store
from batches.models import Batch
from batches.states import BatchStatus
from cardocr_site.accounts import audit
from cardocr_site.accounts.models import User

BLOCK = 500
_UNDER_WAY = {BatchStatus.QUEUED, BatchStatus.RUNNING, BatchStatus.PAUSED}


class NotInTrash(Exception):
    """Only what lies in the trash can be emptied out of it."""


def delete(batch: Batch, user: User) -> None:
    """Into the trash. A batch that is being read is stopped first: what is in flight completes and is kept."""
    if Batch.objects.get(pk=batch.pk).status in _UNDER_WAY:
        runs.cancel(batch, user)
    with changes.locked(batch) as change:
        if change.batch.deleted_at is not None:
            return
        if change.batch.status in _UNDER_WAY:  # somebody resumed it in between
            raise changes.TransitionRefused(change.batch.status, BatchStatus.CANCELLED)
        change.batch.deleted_at = timezone.now()
        change.set(deleted_at=change.batch.deleted_at, deleted_by=user)
        activity.record(change.batch, user, "delete")
        transaction.on_commit(partial(moves.to_trash, change.batch))


def restore(batch: Batch, by: User | None = None) -> None:
    """Out of the trash, as it was."""
    with changes.locked(batch) as change:
        if change.batch.deleted_at is None or change.batch.going:
            return
        change.batch.deleted_at = None
        change.set(deleted_at=None, deleted_by=None)
        activity.record(change.batch, by, "restore")
        transaction.on_commit(partial(moves.from_trash, change.batch))


def erase(batch: Batch, by: User | None = None) -> None:
    """For good. Files first: cut off in between, the batch still lies in the trash and can be erased again."""
    fresh = Batch.objects.get(pk=batch.pk)
    if fresh.deleted_at is None:
        raise NotInTrash
    store.erase(fresh)
    while ids := list(fresh.cards.order_by("pk").values_list("pk", flat=True)[:BLOCK]):
        fresh.cards.filter(pk__in=ids).delete()
    with transaction.atomic():
        audit.record("erase_batch", by=by, of=fresh, details={"cards": fresh.total})
        fresh.delete()
