"""Which cards this process may read. `claim` is the fencing number that a save must name."""

from collections.abc import Collection
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from batches import changes
from batches.drain import allowance, blocks
from batches.models import Card, Worker
from batches.states import BatchStatus, CardStatus

LEASE = timedelta(seconds=30)


def ready(batch_id: int, rereading_id: int | None = None) -> QuerySet[Card]:
    """Cards that may be claimed now, in order: those of a re-reading, or those that are read for the first time."""
    due = Q(not_before=None) | Q(not_before__lte=timezone.now())
    waiting = Card.objects.filter(due, batch=batch_id, status=CardStatus.PENDING, worker=None, rereading=rereading_id)
    return waiting.exclude(prepared_at=None).order_by("position")


def take(batch_id: int, worker: Worker, limit: int, rereading_id: int | None = None) -> list[Card]:
    """Claim up to `limit` cards; the first claim makes a waiting batch a running one, the last one may pause it."""
    if not ready(batch_id, rereading_id).exists():
        return []  # asked often: without taking the lock
    with changes.locked(batch_id) as change:
        if not change.batch.is_active or change.batch.deleted_at or change.batch.compared_upto is not None:
            return []
        engine = change.batch.engine if rereading_id is None else change.batch.reader
        cards = allowance.choose(change, engine, ready(batch_id, rereading_id), limit)
        if not cards:
            return []
        mine = Card.objects.filter(pk__in=[card.pk for card in cards])
        lease = timezone.now() + LEASE
        mine.update(worker=worker, claim=F("claim") + 1, lease_until=lease, called_at=None)
        change.move_batch(BatchStatus.RUNNING) if change.batch.status != BatchStatus.RUNNING else None
    for card in cards:
        card.worker, card.claim, card.lease_until, card.called_at = worker, card.claim + 1, lease, None
    return cards


def release(batch_id: int, worker: Worker, card_ids: Collection[int]) -> None:
    """Give back claimed cards whose call has not started."""
    if not card_ids:
        return
    with changes.locked(batch_id) as change:
        mine = change.batch.cards.filter(pk__in=card_ids, worker=worker)
        mine.filter(status=CardStatus.PENDING).update(worker=None, lease_until=None)


def give_back(worker: Worker, *, crashed: bool = False) -> int:
    """Free everything that a worker holds; in a crash the cards whose call had started are charged with it."""
    held = Card.objects.filter(worker=worker).order_by("batch_id")
    freed = 0
    for batch_id in list(held.values_list("batch_id", flat=True).distinct()):
        with changes.locked(batch_id) as change:
            freed += _free(change, change.batch.cards.filter(worker=worker), crashed=crashed)
    return freed


def _free(change: changes.Change, held: QuerySet[Card], *, crashed: bool) -> int:
    cancelled = change.batch.status == BatchStatus.CANCELLED
    idle = held.filter(status=CardStatus.PENDING)
    freed = idle.count()
    called = held.filter(status=CardStatus.PROCESSING)
    if cancelled:
        blocks.stop_cards(change, idle, worker=None, lease_until=None)
        freed += blocks.stop_cards(change, called, worker=None, lease_until=None, called_at=None)
        change.end_rereading(timezone.now())
    else:
        idle.update(worker=None, lease_until=None)
        more = {"crashes": F("crashes") + 1} if crashed else {}
        freed += change.move_cards(called, CardStatus.PENDING, worker=None, lease_until=None, called_at=None, **more)
    held.update(worker=None, lease_until=None)  # whatever else still names it
    return freed


def free_orphans() -> None:
    """Cards that nobody holds but that stand as being read: their worker's row was removed."""
    orphans = Card.objects.filter(worker=None, status=CardStatus.PROCESSING)
    for batch_id in list(orphans.order_by("batch_id").values_list("batch_id", flat=True).distinct()):
        with changes.locked(batch_id) as change:
            lost = change.batch.cards.filter(worker=None, status=CardStatus.PROCESSING)
            _free(change, lost, crashed=False)


def renew(worker: Worker) -> None:
    """Prolong what this worker holds; nobody sees it, so no version."""
    now = timezone.now()
    Worker.objects.filter(pk=worker.pk).update(seen_at=now)
    Card.objects.filter(worker=worker).update(lease_until=now + LEASE)
