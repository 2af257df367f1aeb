"""The one door for statuses, counters and versions. Nothing else writes them.

Lock order, everywhere: the batch's row first (several batches in id order), then cards.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from batches import hooks, news, rows
from batches.live import events
from batches.models import Batch, Card, Likeness, Rereading
from batches.models.folding import fold
from batches.states import BATCH_TRANSITIONS, CARD_TRANSITIONS, BatchStatus, CardStatus, SkipReason
from cardocr_site.accounts.models import User

PACE_MINUTES = 15


class TransitionRefused(Exception):
    """The state machine has no such step. `status` is what the batch is."""

    code = "BATCH_STATE_INVALID"

    def __init__(self, status: str, to: str) -> None:
        super().__init__(f"{status} cannot become {to}")
        self.status = status


def allowed_from(to: CardStatus) -> list[CardStatus]:
    return [status for status, targets in CARD_TRANSITIONS.items() if to in targets]


# What `standing` looks at.
MARKS = ("to_check", "reviewed", "candidates", "nothing_found", "skip_reason")


def standing(
    status: str, *, to_check: bool, reviewed: bool, candidates: int, nothing_found: bool, skip_reason: str = ""
) -> tuple[str, ...]:
    """The batch's counters, besides that of its status, in which a card stands.

    Of those that judge values only a card that is read stands in any, so that they add up to those that are
    completed. A card that was reviewed and is to be checked again counts as to check until that is done.
    """
    if status == CardStatus.SKIPPED:
        return (skip_reason,) if skip_reason in {SkipReason.BLANK, SkipReason.NOT_CHOSEN} else ()
    if status != CardStatus.COMPLETED:
        return ()
    seen = ("to_check",) if to_check else ("reviewed",) if reviewed else ()
    return (*seen, *(["check_again"] if candidates else []), *(["nothing_found"] if nothing_found else []))


def _after(marks: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fields.get(name, value) for name, value in marks.items()}


@dataclass
class Change:
    """One locked batch and what is being changed in it. `version` is what the changed rows are stamped with."""

    batch: Batch
    version: int
    deltas: dict[str, int | Decimal] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    visible: bool = False
    finished: bool = False  # with this change, so far as people are told

    def count(self, name: str, delta: int) -> None:
        """Add to a counter column of the batch."""
        self.visible = True
        if delta:
            self.deltas[name] = self.deltas.get(name, 0) + delta

    def add_cost(self, cost: Decimal) -> None:
        self.visible = True
        self.deltas["cost"] = self.deltas.get("cost", Decimal(0)) + cost

    def set(self, **fields: Any) -> None:
        """Write columns of the batch, other than status and counters."""
        self.visible = True
        self.fields.update(fields)

    def move_batch(self, to: BatchStatus, **fields: Any) -> None:
        """Raises TransitionRefused. A batch that is there already is left alone."""
        status = BatchStatus(self.batch.status)
        if status != to:
            if to not in BATCH_TRANSITIONS[status]:
                raise TransitionRefused(status, to)
            self.batch.status = to
            self.fields["status"] = to
            if to == BatchStatus.PAUSED:
                news.paused(self.batch, fields.get("pause_reason", ""))
        self.set(**fields)

    def move_cards(self, cards: QuerySet[Card], to: CardStatus, **fields: Any) -> int:
        """Move those of the cards that may go there; return how many moved."""
        moving = cards.filter(batch=self.batch, status__in=allowed_from(to)).order_by()
        before = list(moving.values("status", *MARKS).annotate(n=Count("pk")))
        moved = moving.update(status=to, version=self.version, **fields)
        for row in before:
            number, marks = row["n"], {name: row[name] for name in MARKS}
            self.count(row["status"], -number)
            self.count(to, number)
            self._recount(standing(row["status"], **marks), standing(to, **_after(marks, fields)), number)
        return moved

    def touch_cards(self, cards: QuerySet[Card], **fields: Any) -> int:
        """Change columns of cards that are not read, other than their status and marks; viewers will see it."""
        touched = cards.filter(batch=self.batch).exclude(status=CardStatus.COMPLETED)
        number = touched.update(version=self.version, **fields)
        self.visible = self.visible or bool(number)
        return number

    def mark_cards(self, cards: QuerySet[Card], **fields: Any) -> int:
        """Change columns of cards, other than their status; their marks are counted. Return how many."""
        marked = cards.filter(batch=self.batch).order_by()
        before = list(marked.values("status", *MARKS).annotate(n=Count("pk")))
        number = marked.update(version=self.version, **fields)
        for row in before:
            marks = {name: row[name] for name in MARKS}
            self._recount(standing(row["status"], **marks), standing(row["status"], **_after(marks, fields)), row["n"])
        self.visible = self.visible or bool(number)
        return number

    def move_card(self, card: Card, to: CardStatus, **fields: Any) -> bool:
        """Move one card that was read under this lock; its columns are set on it too. False: it may not go there."""
        if to not in CARD_TRANSITIONS[CardStatus(card.status)]:
            return False
        self.count(card.status, -1)
        self.count(to, 1)
        self._flags(card, fields, to)
        fields |= {"status": to, "version": self.version}
        Card.objects.filter(pk=card.pk).update(**fields)
        for name, value in fields.items():
            setattr(card, name, value)
        return True

    def move_each(self, moves: Iterable[tuple[Card, dict[str, Any]]], to: CardStatus) -> None:
        """As move_card, for many cards, each with its own columns; one that may not go there is left."""
        moved = []
        for card, columns in moves:
            if to not in CARD_TRANSITIONS[CardStatus(card.status)]:
                continue
            fields = columns | {"status": to, "version": self.version}
            self.count(card.status, -1)
            self.count(to, 1)
            self._flags(card, fields, to)
            for name, value in fields.items():
                setattr(card, name, value)
            moved.append((card.pk, fields))
        rows.update_each(Card, moved)

    def touch_card(self, card: Card, **fields: Any) -> None:
        """Change columns of a card that was read under this lock, other than its status; viewers will see it."""
        self.visible = True
        self._flags(card, fields, CardStatus(card.status))
        fields["version"] = self.version
        if "original_name" in fields:
            fields["folded_name"] = fold(fields["original_name"])
        Card.objects.filter(pk=card.pk).update(**fields)
        for name, value in fields.items():
            setattr(card, name, value)

    def add_cards(self, cards: Sequence[Card]) -> list[Card]:
        """Put new pending cards into a draft."""
        for card in cards:
            card.batch, card.version, card.status = self.batch, self.version, CardStatus.PENDING
            card.folded_name = fold(card.original_name)
        rows.insert(cards)
        self.count("total", len(cards))
        self.count("pending", len(cards))
        return list(cards)

    def remove_cards(self, cards: Iterable[Card]) -> None:
        """Take cards out of a draft, or for good: pages that are open must reload."""
        cards = list(cards)
        for card in cards:
            self.count("total", -1)
            self.count(card.status, -1)
            self._recount(standing(card.status, **{name: getattr(card, name) for name in MARKS}), (), 1)
        gone = [card.pk for card in cards]
        if self.counted("total"):
            look_like_nothing(gone)
        Card.objects.filter(pk__in=gone).delete()
        self.set(reload_after=self.version)

    def _flags(self, card: Card, fields: dict[str, Any], to: CardStatus) -> None:
        marks = {name: getattr(card, name) for name in MARKS}
        self._recount(standing(card.status, **marks), standing(to, **_after(marks, fields)), 1)

    def _recount(self, before: Collection[str], after: Collection[str], number: int) -> None:
        for name in before:
            self.count(name, -number)
        for name in after:
            self.count(name, number)

    def counted(self, name: str) -> int:
        """A counter as it will stand after this change."""
        return int(getattr(self.batch, name) + self.deltas.get(name, 0))

    def keep_pace(self, now: datetime, cards: int, longest: float = 0.0) -> None:
        """Note cards that have just been read or failed in the ring of the last fifteen minutes.

        `longest`: seconds of the longest of their calls. The minutes in which it ran were minutes of reading, though no
        card was finished in them: left out, a slow engine would look as if it were quick.
        """
        minute = int(now.timestamp()) // 60
        ring = [list(entry) for entry in self.fields.get("pace", self.batch.pace)]
        if ring:
            begun = max(ring[-1][0] + 1, int(now.timestamp() - longest) // 60, minute - PACE_MINUTES)
            ring += [[empty, 0] for empty in range(begun, minute)]
        if ring and ring[-1][0] == minute:
            ring[-1][1] += cards
        else:
            ring.append([minute, cards])
        self.set(pace=ring[-PACE_MINUTES:])

    def finish_if_done(self, now: datetime, by: User | None = None) -> bool:
        """Complete a batch that was started and in which no card waits or is being read.

        A paused one too: there is nothing that the pause could hold back, and nobody is to resume it for nothing.
        `by`: whoever ended it, with the last card that was left out or entered by hand.
        """
        if self.batch.status not in {BatchStatus.QUEUED, BatchStatus.RUNNING, BatchStatus.PAUSED}:
            return False
        if self.fields.get("retry_upto", self.batch.retry_upto) is not None:
            return False  # a whole-batch retry is still under way
        if self.counted("pending") or self.counted("processing") or not self.end_rereading(now):
            return False
        if self.batch.status == BatchStatus.PAUSED:
            self.move_batch(BatchStatus.QUEUED, pause_reason="", pause_message="", retry_at=None)
        self.move_batch(BatchStatus.RUNNING)
        self.move_batch(BatchStatus.COMPLETED, finished_at=now, pilot=None)
        cards = {name: self.counted(name) for name in ("completed", "to_check", "failed")}
        news.finished(self.batch, by, **cards)
        self.finished = True
        return True

    def end_rereading(self, now: datetime) -> bool:
        """Close the re-reading of which no card is left; False: there are some.

        A batch that was stopped only in being read again is finished, as it was before.
        """
        if self.batch.rereading_id is None:
            return True
        if self.batch.cards.filter(rereading=self.batch.rereading_id).exists():
            return False
        Rereading.objects.filter(pk=self.batch.rereading_id).update(finished_at=now)
        self.batch.rereading_id = None
        self.set(rereading=None)
        rest = any(self.counted(name) for name in ("pending", "processing", "cancelled"))
        if self.batch.status == BatchStatus.CANCELLED and not rest:
            for status in (BatchStatus.QUEUED, BatchStatus.RUNNING, BatchStatus.COMPLETED):
                self.move_batch(status)
        return True

    def write(self) -> None:
        to = self.fields | {"version": self.version, "changed_at": timezone.now()}
        by = {name: delta for name, delta in self.deltas.items() if name not in to}
        rows.update(Batch, {"id": self.batch.pk}, to=to, by=by)


def look_like_nothing(gone: Collection[int]) -> None:
    """Of cards that are removed, or become other pictures. Those that look like one of them look like each other: the
    first of them stands for it."""
    links = Likeness.objects.exclude(card__in=gone).filter(like__in=gone).order_by("card")
    first: dict[int, int] = {}
    for pk, card_id, like_id in list(links.values_list("pk", "card", "like")):
        stands_for = first.setdefault(like_id, card_id)
        Likeness.objects.filter(pk=pk).update(like=None if stands_for == card_id else stands_for)
    Likeness.objects.filter(card__in=gone).delete()


def _tell(change: Change, status: str) -> None:
    """Webhooks, what has become of a batch that was in this status."""
    now = BatchStatus(change.batch.status)
    events = [hooks.Event.FINISHED] if change.finished else []
    if now != status and now in hooks.OF_STATUS:
        events.append(hooks.OF_STATUS[now])
    was_open = status != BatchStatus.COMPLETED or change.batch.to_check
    if now == BatchStatus.COMPLETED and was_open and not change.counted("to_check"):
        events.append(hooks.Event.REVIEWED)
    if events:
        batch = copy(change.batch)
        for name, value in {**change.fields, **{name: change.counted(name) for name in hooks.COUNTED}}.items():
            setattr(batch, name, value)
        hooks.tell(batch, events)


@contextmanager
def locked(batch: Batch | int) -> Iterator[Change]:
    """A transaction that holds the batch's row. Where something visible changed, its version goes up by one."""
    pk = batch if isinstance(batch, int) else batch.pk
    with transaction.atomic():
        fresh = rows.fetch(Batch, [pk], lock=True).get(pk)
        if fresh is None:
            raise Batch.DoesNotExist
        change = Change(fresh, fresh.version + 1)
        status = fresh.status
        yield change
        if change.visible:
            change.write()
            _tell(change, status)
            # Robust: what is committed stands, whatever becomes of the poke.
            transaction.on_commit(lambda: events.changed(pk), robust=True)


def move_batch(batch: Batch | int, to: BatchStatus, **fields: Any) -> Batch:
    """Move a batch to a status. Raises TransitionRefused."""
    with locked(batch) as change:
        change.move_batch(to, **fields)
    return Batch.objects.get(pk=change.batch.pk)


def move_cards(batch: Batch | int, cards: QuerySet[Card], to: CardStatus, **fields: Any) -> int:
    """Move cards to a status; return how many moved. The caller holds no lock: this takes the batch's."""
    with locked(batch) as change:
        return change.move_cards(cards, to, **fields)
