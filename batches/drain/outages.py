"""What is known of the engines, written into the batches: pauses with their reason, and the way out of them.

The state is in the rows: a process that starts anew goes on where the last one stood.
"""

import logging
import random
from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from batches import changes, clock
from batches.drain.engines import Engines, Hold
from batches.intake import store
from batches.models import Batch, Card
from batches.queries import engines, house
from batches.states import BatchStatus, CardStatus, PauseReason
from cardocr_site import log_context
from ocr.models import Engine

log = logging.getLogger(__name__)

_BY_ITSELF = (PauseReason.ENDPOINT, PauseReason.CREDENTIALS)


class Outages:
    """Used by the scheduling thread alone."""

    def __init__(self, engines: Engines, batch_id: int | None = None) -> None:
        self._engines = engines
        self._batch_id = batch_id
        # Batch and engine: the version of it whose key was refused.
        self._refused: dict[tuple[int, int], datetime | None] = {}
        self._down: set[Engine] = set()  # that did not answer at the last look

    def look(self, active: Collection[Batch]) -> bool:
        """Pause and resume as the engines say; True: something was changed."""
        changed = self._look_at_storage()
        for batch in active:
            if held := self._hold(batch):
                changed = _pause(batch, *held) or changed
        paused = {batch: engines.needed(batch) for batch in self._paused()}
        self._end_waits([*active, *paused])
        busy = {engine for batch in active for engine in engines.needed(batch)} if paused else set()
        callers = {engine.caller: engine for needed in paused.values() for engine in needed}
        for caller, engine in callers.items():
            waiting = [batch for batch, needed in paused.items() if caller in {one.caller for one in needed}]
            free = [batch for batch in waiting if not any(map(self._engines.hold, set(paused[batch]) - {engine}))]
            for batch in self._changed_key(engine, waiting) or self._reachable(engine, free, busy=engine in busy):
                self._refused.pop((batch.pk, engine.pk), None)  # refused before the next look, it is of what was saved
                changed = _resume(batch) or changed
        return changed

    def _look_at_storage(self) -> bool:
        """Batches whose scans could not be fetched go on once they can be."""
        held = Batch.objects.filter(status=BatchStatus.PAUSED, pause_reason=PauseReason.DISK, deleted_at=None)
        if self._batch_id is not None:
            held = held.filter(pk=self._batch_id)
        due = list(held.filter(retry_at__lte=clock.now()).order_by("pk"))
        if not due:
            return False
        if trouble := store.trouble():
            for batch in due:
                with changes.locked(batch) as change:
                    if change.batch.pause_reason == PauseReason.DISK:
                        change.set(pause_message=trouble[:1000], retry_at=next_look())
            return False
        return sum(map(_resume, due)) > 0

    def _hold(self, batch: Batch) -> tuple[Engine, Hold] | None:
        """Of an engine that it waits for; whether it waits for its own is asked only where that one is held."""
        for engine in filter(None, (batch.keyed_reader, batch.keyed_engine if batch.rereading else None)):
            hold = self._engines.hold(engine)
            if hold is not None and (engine == batch.reader or engines.waits_for_its_own(batch)):
                return engine, hold
        return None

    def _end_waits(self, batches: Collection[Batch]) -> None:
        """Cards that were probes wait their turn among the others; once the endpoint answers there is no reason to."""
        of_engine = [(engine, batch) for batch in batches for engine in {batch.reader, batch.engine} if engine]
        down = {engine for engine, _batch in of_engine if self._engines.probe_delay(engine) is not None}
        for engine, batch in of_engine:
            if engine in self._down - down:
                _end_waits(batch)
        self._down = down

    def _paused(self) -> list[Batch]:
        paused = Batch.objects.filter(status=BatchStatus.PAUSED, pause_reason__in=_BY_ITSELF, deleted_at=None)
        if self._batch_id is not None:
            paused = paused.filter(pk=self._batch_id)
        found = list(paused.select_related("engine", "key_of", "rereading__engine", "rereading__key_of").order_by("pk"))
        keys = {batch.pk for batch in found if batch.pause_reason == PauseReason.CREDENTIALS}
        self._refused = {of: version for of, version in self._refused.items() if of[0] in keys}
        return found

    def _changed_key(self, engine: Engine, waiting: list[Batch]) -> list[Batch]:
        """Batches whose engine was saved since its key was refused, or since it was outside and must not be."""
        going = []
        for batch in waiting:
            if batch.pause_reason != PauseReason.CREDENTIALS:
                continue
            key = batch.pk, engine.pk
            if key not in self._refused:
                seen = engine.version if engine.version <= batch.changed_at else None
                self._refused[key] = self._engines.refused_version(engine) or seen
            if engine.version != self._refused[key] and not engine.lacks and not house.refusal(batch, engine):
                going.append(batch)
        return going

    def _reachable(self, engine: Engine, waiting: list[Batch], *, busy: bool) -> list[Batch]:
        """All batches of an endpoint that answers; one, as the probe, of one that is due to be asked."""
        held = [batch for batch in waiting if batch.pause_reason == PauseReason.ENDPOINT]
        if not held:
            return []
        self._engines.follow(engine)
        if self._engines.has_answered(engine):
            return held
        if busy:
            return []  # a batch that is being read will tell
        if self._engines.probe_delay(engine) is None:
            due = max((batch.retry_at for batch in held if batch.retry_at), default=clock.now())
            self._engines.adopt(engine, max(0.0, (due - clock.now()).total_seconds()))
        return [random.choice(held)] if self._engines.wants_probe(engine) else []  # noqa: S311


def next_look() -> datetime:
    """When it is looked again whether scans can be fetched."""
    return clock.now() + timedelta(seconds=settings.PROBE_SECONDS)


def hold_for_storage(batch: Batch, message: str) -> None:
    """Its scans cannot be fetched: it waits, and says why."""
    with changes.locked(batch) as change:
        if change.batch.status not in {BatchStatus.QUEUED, BatchStatus.RUNNING}:
            return
        change.move_batch(
            BatchStatus.PAUSED, pause_reason=PauseReason.DISK, pause_message=message[:1000], retry_at=next_look()
        )
    log.warning("Batch %s is paused: %s", batch.pk, message)


def _pause(batch: Batch, engine: Engine, hold: Hold) -> bool:
    retry_at = None if hold.seconds is None else clock.now() + timedelta(seconds=hold.seconds)
    with changes.locked(batch) as change:
        if change.batch.status != batch.status:  # a person was quicker
            return False
        change.move_batch(
            BatchStatus.PAUSED, pause_reason=hold.reason, pause_message=hold.message[:1000], retry_at=retry_at
        )
    with log_context.of(batch=batch.pk, engine=engine.pk):
        log.warning("Batch %s is paused: %s", batch.pk, hold.message)
    if retry_at is not None:
        _tell_the_others(batch, engine, retry_at)
    return True


def _tell_the_others(batch: Batch, engine: Engine, retry_at: datetime) -> None:
    """Their next try is this one's."""
    same = Q(rereading=None, engine=engine) | Q(rereading__engine=engine)
    held = Batch.objects.filter(same, status=BatchStatus.PAUSED, pause_reason=PauseReason.ENDPOINT)
    for pk in held.exclude(pk=batch.pk).values_list("pk", flat=True):
        with changes.locked(pk) as change:
            if change.batch.status == BatchStatus.PAUSED and change.batch.pause_reason == PauseReason.ENDPOINT:
                change.set(retry_at=retry_at)


def _end_waits(batch: Batch) -> None:
    now = clock.now()
    waiting = Card.objects.filter(batch=batch, status=CardStatus.PENDING, not_before__gt=now)
    if waiting.exists():
        with changes.locked(batch):
            waiting.update(not_before=now)


def _resume(batch: Batch) -> bool:
    with changes.locked(batch) as change:
        as_seen = (change.batch.status, change.batch.pause_reason) == (BatchStatus.PAUSED, batch.pause_reason)
        if not as_seen:  # a person was quicker
            return False
        change.move_batch(BatchStatus.QUEUED, pause_reason="", pause_message="", retry_at=None)
    return True
