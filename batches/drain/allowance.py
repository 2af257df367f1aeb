"""Which of the cards that are ready may be handed out: pilot, budgets, and whether scans may leave the house.

Asked under the batch's lock, so that all threads and all processes together keep to it.
"""

import logging
from datetime import datetime

from django.db.models import QuerySet

from batches import changes, clock, rows
from batches.models import Card, CardScan, Spending
from batches.queries import budgets, house, pilot
from batches.states import BatchStatus, PauseReason
from ocr.models import Engine

log = logging.getLogger(__name__)


def choose(change: changes.Change, engine: Engine | None, ready: QuerySet[Card], limit: int) -> list[Card]:
    """Up to `limit` cards, in order. Where none may be begun any more, the batch is paused with the reason."""
    batch = change.batch
    if refusal := house.refusal(batch, engine):
        _pause(change, PauseReason.CREDENTIALS, refusal)
        return []
    left = limit if engine is None else min(limit, _paid_for(change, engine, clock.now(), limit))
    if batch.pilot is None or left <= 0:
        return _first(ready, left) if left > 0 else []
    return _of_pilot(change, batch.pilot, ready, left)


def _paid_for(change: changes.Change, engine: Engine, now: datetime, limit: int) -> int:
    """How many more calls the budgets allow beside those in flight."""
    if engine.month_budget is not None:  # other batches ask at the same time
        Spending.objects.select_for_update().get_or_create(engine=engine, month=budgets.month_of(now))
    for one in budgets.limits(change.batch, engine, now):
        flying = budgets.flying_with(engine) if one.engine_name else budgets.flying(change.batch)
        room = one.room(flying)
        if room == 0 and (one.is_spent or not flying):
            _pause(change, PauseReason.BUDGET, one.sentence())
            return 0
        limit = limit if room is None else min(limit, room)
    return limit


def _of_pilot(change: changes.Change, size: int, ready: QuerySet[Card], limit: int) -> list[Card]:
    """The first of the batch, though others may be ready before them; those that were begun belong to it already."""
    finished, under_way = pilot.finished(change.batch).count(), pilot.under_way(change.batch).count()
    if finished >= size:
        _pause(change, PauseReason.PILOT, "")
        return []
    again = _first(ready.filter(pilot.BEGUN), limit)
    next_ = pilot.untouched(change.batch).values_list("pk", flat=True)[: max(0, size - finished - under_way)]
    return again + _first(ready.filter(pk__in=list(next_)), limit - len(again))


def _first(ready: QuerySet[Card], number: int) -> list[Card]:
    """With their backs."""
    keys = list(ready.values_list("pk", flat=True)[:number])
    found = rows.fetch(Card, keys)
    backs = rows.fetch(CardScan, [card.back_id for card in found.values() if card.back_id is not None])
    for card in found.values():
        if card.back_id is not None:
            card.back = backs[card.back_id]
    return [found[key] for key in keys]


def _pause(change: changes.Change, reason: PauseReason, message: str) -> None:
    log.warning("Batch %s is paused: %s", change.batch.pk, message or reason)
    change.move_batch(BatchStatus.PAUSED, pause_reason=reason, pause_message=message[:1000], retry_at=None)
