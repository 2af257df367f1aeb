"""Which cards this process may read. `claim` is the fencing number that a save must name."""

import logging
from collections.abc import Collection, Mapping
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from batches import changes, clock, rows
from batches.drain import allowance, blocks
from batches.models import Card, Worker
from batches.states import BatchStatus, CardStatus
from ocr.models import Engine

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)


def ready(batch_id: int, rereading_id: int | None = None) -> QuerySet[Card]:
    """Cards that may be claimed now, in order: those of a re-reading, or those that are read for the first time."""
    due = Q(not_before=None) | Q(not_before__lte=clock.now())
    waiting = Card.objects.filter(due, batch=batch_id, status=CardStatus.PENDING, worker=None, rereading=rereading_id)
    return waiting.exclude(prepared_at=None).order_by("position")


_ANY = (
    "SELECT 1 FROM batches_card WHERE batch_id = %s AND status = 'pending' AND worker_id IS NULL"
    " AND prepared_at IS NOT NULL AND (not_before IS NULL OR not_before <= %s) AND "
)


def _is_any_ready(batch_id: int, rereading_id: int | None) -> bool:
    """As `ready(…).exists()`. Asked often: making that statement costs thirty times as much as running it."""
    values = [batch_id, connection.ops.adapt_datetimefield_value(clock.now())]
    sql = _ANY + ("rereading_id IS NULL LIMIT 1" if rereading_id is None else "rereading_id = %s LIMIT 1")
    with connection.cursor() as cursor:
        cursor.execute(sql, values if rereading_id is None else [*values, rereading_id])
        return cursor.fetchone() is not None


def take(batch_id: int, worker: Worker, limit: int, rereading_id: int | None = None) -> list[Card]:
    """Claim up to `limit` cards; the first claim makes a waiting batch a running one, the last one may pause it."""
    if not _is_any_ready(batch_id, rereading_id):
        return []  # without taking the lock
    with changes.locked(batch_id) as change:
        if not change.batch.is_active or change.batch.deleted_at or change.batch.compared_upto is not None:
            return []
        change.batch.engine = rows.fetch(Engine, [change.batch.engine_id or 0]).get(change.batch.engine_id or 0)
        engine = change.batch.engine if rereading_id is None else change.batch.reader
        cards = allowance.choose(change, engine, ready(batch_id, rereading_id), limit)
        if not cards:
            return []
        lease = clock.now() + LEASE
        mine = {"worker_id": worker.pk, "lease_until": lease, "called_at": None}
        rows.update_each(Card, [(card.pk, {**mine, "claim": card.claim + 1}) for card in cards])
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
        change.end_rereading(clock.now())
    else:
        idle.update(worker=None, lease_until=None)
        more = {"crashes": F("crashes") + 1} if crashed else {}
        freed += change.move_cards(called, CardStatus.PENDING, worker=None, lease_until=None, called_at=None, **more)
    held.update(worker=None, lease_until=None)  # whatever else still names it
    return freed


def held(worker: Worker) -> dict[int, int]:
    """{card: claim} of what the database has it hold."""
    return dict(Card.objects.filter(worker=worker).values_list("pk", "claim"))


def let_go(worker: Worker, lost: Mapping[int, int]) -> int:
    """Free cards that it holds with these claims and knows nothing of: an answer of the database never came, say."""
    mine = Card.objects.filter(pk__in=lost, worker=worker)
    freed = 0
    for batch_id in list(mine.order_by("batch_id").values_list("batch_id", flat=True).distinct()):
        with changes.locked(batch_id) as change:
            here = mine.filter(batch=batch_id).values_list("pk", "claim")
            same = [pk for pk, claim in here if lost[pk] == claim]
            freed += _free(change, change.batch.cards.filter(pk__in=same), crashed=False)
    return freed


def free_orphans() -> None:
    """Cards that nobody holds but that stand as being read: their worker's row was removed."""
    orphans = Card.objects.filter(worker=None, status=CardStatus.PROCESSING)
    for batch_id in list(orphans.order_by("batch_id").values_list("batch_id", flat=True).distinct()):
        with changes.locked(batch_id) as change:
            lost = change.batch.cards.filter(worker=None, status=CardStatus.PROCESSING)
            _free(change, lost, crashed=False)


def renew(worker: Worker) -> None:
    """Prolong what this worker holds; nobody sees it, so no version, and no batch is locked.

    A card that is being written this moment is passed over until the next time: whoever writes several would wait for
    this, and this for them.
    """
    now = clock.learn()
    if not Worker.objects.filter(pk=worker.pk).update(seen_at=now):
        # Cut off for a while, it was taken for dead, and its cards were given away: it begins anew.
        log.warning("Worker %s was thought to be gone; it is back.", worker)
        worker.seen_at = now
        worker.save(force_insert=True)
    with transaction.atomic():
        free = Card.objects.select_for_update(skip_locked=True, no_key=True).filter(worker=worker)
        Card.objects.filter(pk__in=free.order_by().values("pk")).update(lease_until=now + LEASE)
