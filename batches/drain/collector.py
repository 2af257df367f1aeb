"""The one writer: starts and outcomes become rows, in group transactions, fenced by worker and claim."""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import F

from batches import changes, clock, rows
from batches.drain import asked, blocks, candidates, duplicates, outages
from batches.drain.outcomes import Event, Outcome, Refund, Start
from batches.drain.reading import attempt_of, clean, result_of
from batches.drain.spending import Tally
from batches.drain.spool import Spool
from batches.drain.threads import patiently
from batches.models import Attempt, Batch, Card, CardResult, CardScan, Rereading
from batches.queries import results
from batches.queries.means import Setup, pictures, read_key
from batches.states import BatchStatus, CardStatus, PauseReason
from cardocr_site import log_context
from ocr import checking
from ocr.errors import ExtractionError
from ocr.fields import FieldSpec
from ocr.reading import Reading, Usage

log = logging.getLogger(__name__)

GROUP = 256
LINGER = 0.2  # seconds to wait for company: a group alone costs as much as ten more cards in it
QUEUE = 2000  # beyond it the threads wait: the database cannot keep up

_LOOKED_AT = (
    *("batch_id", "status", "worker_id", "claim", "tries", "rotation", "sha256", "edition", "back_id"),
    *("result_id", "rereading_id", *changes.MARKS),
)
_FREED: dict[str, Any] = {"worker": None, "lease_until": None}


@dataclass(slots=True)
class _Group:
    """What one transaction writes for one batch."""

    change: changes.Change
    cards: dict[int, Card]
    specs: list[FieldSpec]
    spent: Tally
    held: dict[int, CardResult]  # by card: what it has, and keeps
    attempts: list[Attempt] = field(default_factory=list)
    answered: list[tuple[Attempt, CardResult]] = field(default_factory=list)
    readings: list[tuple[CardResult, Card, dict[str, Any]]] = field(default_factory=list)
    added: list[CardResult] = field(default_factory=list)  # what holds, with fields that were not there before
    again: Counter[tuple[int, str]] = field(default_factory=Counter)  # rereading and its counter
    finished: int = 0
    longest: float = 0.0  # seconds of a call of theirs
    dropped: int = 0

    def tell(self, card: Card, name: str) -> None:
        """Count a card that was read again."""
        if card.rereading_id is not None:
            self.again[card.rereading_id, name] += 1


def _is_urgent(event: Event) -> bool:
    """A thread waits for it, or a pause that a person may answer before it is written."""
    if isinstance(event, Start):
        return event.decided is not None
    return isinstance(event, Outcome) and event.error is not None and event.error.pauses is not None


def _same_scan(card: Card, read: Card) -> bool:
    """Neither of its sides has been replaced since."""
    if (card.sha256, card.edition, card.back_id) != (read.sha256, read.edition, read.back_id):
        return False
    if read.back is None:
        return True
    return CardScan.objects.filter(pk=read.back.pk, sha256=read.back.sha256, edition=read.back.edition).exists()


class Collector:
    def __init__(
        self,
        worker_id: int,
        on_saved: Callable[[int], None] = lambda batch_id: None,
        spool: Spool | None = None,
    ) -> None:
        self._worker_id = worker_id
        self._spool = spool
        self._on_saved = on_saved
        self._queue: queue.Queue[Event | Literal["hurry"] | None] = queue.Queue(QUEUE)
        self._lock = threading.Lock()
        self._unwritten: Counter[int] = Counter()
        self.dropped = 0

    def put(self, event: Event) -> None:
        with self._lock:
            self._unwritten[event.card.pk] += 1
        if self._spool is not None:
            self._spool.keep(event)
        self._queue.put(event)

    def in_hand(self) -> set[int]:
        """Cards of which something is still to be written."""
        with self._lock:
            return {pk for pk, events in self._unwritten.items() if events > 0}

    def hurry(self) -> None:
        """Nothing is being read: there is no company to wait for."""
        with suppress(queue.Full):
            self._queue.put_nowait("hurry")

    def close(self) -> None:
        """What has been put before is still written; then `run` returns."""
        self._queue.put(None)

    def run(self) -> None:
        open_ = True
        while open_:
            events: list[Event] = []
            open_ = self._gather(events)
            if events:
                self.write(events)

    def _gather(self, events: list[Event]) -> bool:
        """Wait for one event, then for company; False after the last."""
        deadline = 0.0
        while len(events) < GROUP:
            try:
                event = self._queue.get(timeout=max(0.0, deadline - time.monotonic()) if events else None)
            except queue.Empty:
                return True
            if event is None:
                return False
            if event == "hurry":
                deadline = 0.0
                continue
            if not events:
                deadline = time.monotonic() + LINGER
            events.append(event)
            if _is_urgent(event):
                deadline = 0.0
        return True

    def write(self, events: Iterable[Event]) -> None:
        """Write what is given, batch by batch; a busy database is waited for."""
        by_batch: dict[int, list[Event]] = {}
        for event in events:
            by_batch.setdefault(event.card.batch_id, []).append(event)
        for batch_id in sorted(by_batch):
            with log_context.of(request=asked.by(batch_id), batch=batch_id):
                self._write_batch(batch_id, by_batch[batch_id])

    def _write_batch(self, batch_id: int, events: list[Event]) -> None:
        try:
            self._write_patiently(batch_id, events)
        except Exception:
            log.exception("Batch %s: a group could not be saved; saving its cards one by one.", batch_id)
            self._write_each(batch_id, events)
        for event in events:
            if isinstance(event, Start) and event.decided is not None:
                event.decided.set()
            if self._spool is not None:
                self._spool.forget(event)
        with self._lock:
            self._unwritten -= Counter(event.card.pk for event in events)  # and those at nought are left out
        self._on_saved(batch_id)

    def _write_patiently(self, batch_id: int, events: list[Event]) -> None:
        patiently(lambda: self._write(batch_id, events), f"Batch {batch_id}")

    def _write_each(self, batch_id: int, events: list[Event]) -> None:
        """No card suffers for another's row that no database takes."""
        for event in events:
            with log_context.of(card=event.card.pk):
                self._write_alone(batch_id, event)

    def _write_alone(self, batch_id: int, event: Event) -> None:
        try:
            self._write_patiently(batch_id, [event])
        except Batch.DoesNotExist:
            self._refuse(event)
        except Exception as error:
            log.exception("Card %s: its reading could not be saved.", event.card.pk)
            if isinstance(event, Outcome):
                failure = ExtractionError(f"{type(error).__name__} while saving the reading")
                self._write_failure(batch_id, Outcome(event.card, event.batch, event.setup, error=failure))

    def _write_failure(self, batch_id: int, outcome: Outcome) -> None:
        try:
            self._write_patiently(batch_id, [outcome])
        except Exception:
            log.exception("Card %s: not even its failure could be saved; it is let go of.", outcome.card.pk)

    def _refuse(self, event: Event) -> None:
        self.dropped += 1
        if isinstance(event, Start):
            event.refused = True

    def _write(self, batch_id: int, events: list[Event]) -> None:
        outcomes = {event.card.pk for event in events if isinstance(event, Outcome)}
        with changes.locked(batch_id) as change:
            cards = _cards(change.batch, {event.card.pk for event in events})
            group = _Group(change, cards, change.batch.specs(), Tally(change), _held(cards, outcomes))
            starts = [event for event in events if isinstance(event, Start)]
            self._start(group, [start for start in starts if start.card.pk not in outcomes])
            for event in events:
                if isinstance(event, Outcome):
                    self._settle(group, event)
            self._save_rows(group)
            group.spent.write()
            for event in events:
                if isinstance(event, Refund):
                    self._refund(event)
            if group.finished:
                change.keep_pace(clock.now(), group.finished, group.longest)
            if outcomes:
                self._end(change)
            dropped = group.dropped
        self.dropped += dropped

    def _end(self, change: changes.Change) -> None:
        now = clock.now()
        if change.batch.status == BatchStatus.CANCELLED:
            change.end_rereading(now)
        else:
            change.finish_if_done(now)

    def _holds(self, card: Card | None, event: Event) -> bool:
        return card is not None and card.worker_id == self._worker_id and card.claim == event.card.claim

    def _start(self, group: _Group, starts: list[Start]) -> None:
        """Mark calls that start now, in one statement."""
        for start in starts:
            card = group.cards.get(start.card.pk)
            start.refused = not (self._holds(card, start) and card is not None and card.status == CardStatus.PENDING)
        held = [start for start in starts if not start.refused]
        marks = {start.card.pk: {"called_at": start.at} for start in held}
        group.change.move_each([(group.cards[pk], mark) for pk, mark in marks.items()], CardStatus.PROCESSING)

    def _settle(self, group: _Group, outcome: Outcome) -> None:
        card = group.cards.get(outcome.card.pk)
        if card is None:  # erased meanwhile
            group.dropped += 1
            return
        if outcome.started_at is not None:
            self._note(group, outcome, outcome.started_at)
        mine = self._holds(card, outcome)
        waits_again = card.status == CardStatus.PENDING and card.worker_id is None and outcome.reading is not None
        waits_again = waits_again and card.rereading_id == outcome.setup.rereading_id and _same_scan(card, outcome.card)
        if not (mine or waits_again) or not self._open(group, card):
            self._drop(group, card, mine=mine)
        elif outcome.reading is not None:
            self._save(group, card, outcome, outcome.reading)
        elif outcome.error is not None:
            self._fail(group, card, outcome, outcome.error)

    def _open(self, group: _Group, card: Card) -> bool:
        """A card that a person has skipped or filled in meanwhile stays as the person left it."""
        if card.status == CardStatus.CANCELLED:  # its call was in flight: it completes and is kept
            group.change.move_card(card, CardStatus.PENDING, finished_at=None)
        return card.status in {CardStatus.PENDING, CardStatus.PROCESSING}

    def _drop(self, group: _Group, card: Card, *, mine: bool) -> None:
        group.dropped += 1
        if mine:
            Card.objects.filter(pk=card.pk).update(**_FREED)

    def _note(self, group: _Group, outcome: Outcome, started_at: datetime) -> None:
        """The call as it was, whatever becomes of it."""
        attempt, source = attempt_of(outcome, started_at), outcome.reading or outcome.error
        usage = source.usage if source is not None else Usage()
        group.spent.add(attempt, outcome.setup.engine, usage, outcome.error)
        group.attempts.append(attempt)

    def _save(self, group: _Group, card: Card, outcome: Outcome, reading: Reading) -> None:
        result = result_of(outcome.setup, card.pk, reading)
        result.read_key = read_key(outcome.setup, pictures(outcome.card))
        fields = {"tries": card.tries + 1, "error": "", "error_message": "", "rereading": None}
        held = group.held.get(card.pk)
        if held is None:
            fields |= {
                "result": result,
                "to_check": checking.to_check(
                    group.specs, result.fields, every_value=outcome.setup.every_value, entries=result.entries
                ),
                "severity": checking.severity(group.specs, result.fields, result.entries),
                "nothing_found": results.nothing_found(group.specs, result),
                "rotation": card.rotation if reading.rotation is None else reading.rotation,
            }
            group.tell(card, "different")
        else:
            fields |= self._beside(group, card, held, result, outcome.setup)
        if card.back_id is not None and reading.back_rotation is not None:
            CardScan.objects.filter(pk=card.back_id).update(rotation=reading.back_rotation)
        group.readings.append((result, card, fields | self._finished(group, outcome)))
        if outcome.started_at is not None:
            group.answered.append((group.attempts[-1], result))

    def _beside(self, group: _Group, card: Card, held: CardResult, result: CardResult, setup: Setup) -> dict[str, Any]:
        """A card that has a result keeps it: what comes now stands beside it until a person decides."""
        asked = setup.task.fields
        verdict = candidates.compare(held, result, asked, setup.version)
        result.state = verdict.state
        doubted = candidates.doubted(verdict, asked, every_value=setup.every_value)
        if verdict.added:
            candidates.add(held, verdict, doubted)
            group.added.append(held)
        group.tell(card, "different" if verdict.differs else "equal")
        return {
            "candidates": card.candidates + int(verdict.differs),
            "to_check": card.to_check or verdict.differs or bool(doubted),
            "severity": max(card.severity, checking.GRAVEST - 1 if verdict.differs else 2 if doubted else 0),
            "nothing_found": results.nothing_found(group.specs, held),
        }

    def _fail(self, group: _Group, card: Card, outcome: Outcome, error: ExtractionError) -> None:
        batch = group.change.batch
        tries = card.tries + (1 if error.counts else 0)
        again = not error.counts or (error.retryable and tries <= batch.option("retries"))
        if not again:
            self._give_up(group, card, outcome, error, tries)
            return
        back: dict[str, Any] = _FREED | {"tries": tries, "called_at": None}
        if outcome.retry_in:
            back["not_before"] = clock.now() + timedelta(seconds=outcome.retry_in)
        if batch.status == BatchStatus.CANCELLED and card.pk in group.held:
            self._leave(group, card)
            return
        to = CardStatus.PENDING
        if batch.status == BatchStatus.CANCELLED:
            to, back["finished_at"], back["rereading"] = CardStatus.CANCELLED, clock.now(), None
        if card.status == to:
            Card.objects.filter(pk=card.pk).update(**back)
        else:
            group.change.move_card(card, to, **back)
        if error.pauses and batch.status == BatchStatus.RUNNING:  # a queued one was resumed since this call
            self._pause(group, PauseReason(error.pauses), clean(error.message))

    def _give_up(self, group: _Group, card: Card, outcome: Outcome, error: ExtractionError, tries: int) -> None:
        """A card that has a reading keeps it; the attempt tells why there is nothing new."""
        group.tell(card, "failed")
        if card.pk in group.held:
            self._leave(group, card)
            return
        finished = self._finished(group, outcome) | {"tries": tries, "rereading": None}
        if duplicates.fall_back(group.change, card, **finished):
            return
        if card.status == CardStatus.PENDING:
            group.change.move_card(card, CardStatus.PROCESSING)
        told = {"error": error.reason, "error_message": clean(error.message)}
        group.change.move_card(card, CardStatus.FAILED, **told, **finished)

    def _refund(self, refund: Refund) -> None:
        """After the rows of its group: the calls to be forgiven may be among them."""
        waiting = Card.objects.filter(pk=refund.card.pk, status=CardStatus.PENDING, tries__gte=refund.tries)
        if waiting.update(tries=F("tries") - refund.tries):
            charged = Attempt.objects.filter(card=refund.card, counted=True).exclude(error="").order_by("-pk")
            Attempt.objects.filter(pk__in=list(charged.values_list("pk", flat=True)[: refund.tries])).update(
                counted=False
            )

    def _leave(self, group: _Group, card: Card) -> None:
        """The card goes back to what it had."""
        group.finished += 1
        group.change.move_card(card, CardStatus.COMPLETED, **blocks.AS_IT_WAS)

    def _pause(self, group: _Group, reason: PauseReason, message: str) -> None:
        log.warning("Batch %s is paused: %s", group.change.batch.pk, message or reason)
        retry_at = outages.next_look() if reason == PauseReason.DISK else None
        group.change.move_batch(BatchStatus.PAUSED, pause_reason=reason, pause_message=message, retry_at=retry_at)

    def _finished(self, group: _Group, outcome: Outcome) -> dict[str, Any]:
        group.finished += 1
        group.longest = max(group.longest, outcome.duration)
        now = clock.now()
        return _FREED | {"finished_at": now, "duration": outcome.duration, "files_due": True, "not_before": None}

    def _save_rows(self, group: _Group) -> None:
        rows.insert([result for result, _card, _fields in group.readings])
        for attempt, result in group.answered:
            attempt.result_id = result.pk
        rows.insert(group.attempts)
        group.change.move_each([(card, fields) for _result, card, fields in group.readings], CardStatus.COMPLETED)
        for held in group.added:
            held.save(update_fields=["fields", "values", "confidence", "search"])
        for (rereading, name), number in group.again.items():
            Rereading.objects.filter(pk=rereading).update(**{name: F(name) + number})


def _cards(batch: Batch, keys: Collection[int]) -> dict[int, Card]:
    found = rows.fetch(Card, keys, _LOOKED_AT)
    for card in found.values():
        card.batch = batch
    return {pk: card for pk, card in found.items() if card.batch_id == batch.pk}


def _held(cards: Mapping[int, Card], outcomes: Collection[int]) -> dict[int, CardResult]:
    """The results of those cards that have one already."""
    by_result = {card.result_id: pk for pk, card in cards.items() if card.result_id and pk in outcomes}
    return {by_result[pk]: held for pk, held in CardResult.objects.in_bulk(by_result).items()} if by_result else {}
