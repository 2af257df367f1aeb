"""Which cards of a draft are read; and what was left out there, taken later."""

from collections.abc import Collection
from typing import Any

from django.db.models import Min, QuerySet
from django.utils import timezone

from batches import changes, tasks
from batches.actions import activity, runs, scans
from batches.actions.cards import NOT_BLANK
from batches.actions.drafts import draft
from batches.drain import blocks, duplicates
from batches.models import Batch, Card
from batches.states import CardStatus, SkipReason
from cardocr_site.accounts.models import User

LEFT_OUT: dict[str, Any] = {"status": CardStatus.SKIPPED, "skip_reason": SkipReason.NOT_CHOSEN}


def set_each(batch: Batch, chosen: Collection[int], left_out: Collection[int], by: User | None = None) -> None:
    """As a person has ticked them; who ticks a scan that was taken for blank says that it is not.

    Raises BatchLocked.
    """
    with draft(batch) as change:
        moved = _leave_out(change, change.batch.cards.filter(pk__in=left_out))
        moved += _take(change, change.batch.cards.filter(pk__in=chosen), blank_too=True)
        _record(change, moved, by)
    tasks.prepare(batch.pk)


def set_all(
    batch: Batch, cards: QuerySet[Card], *, chosen: bool, blank_too: bool = False, by: User | None = None
) -> None:
    """All cards of a filter. Scans that were taken for blank stay passed over, unless they are meant.

    Raises BatchLocked.
    """
    with draft(batch) as change:
        moved = _take(change, cards, blank_too=blank_too) if chosen else _leave_out(change, cards)
        _record(change, moved, by)
    tasks.prepare(batch.pk)


def _record(change: changes.Change, moved: int, by: User | None) -> None:
    if moved:
        activity.record(change.batch, by, "choose", moved, group=True)


def _leave_out(change: changes.Change, cards: QuerySet[Card]) -> int:
    waiting = cards.filter(status=CardStatus.PENDING)
    return change.move_cards(waiting, CardStatus.SKIPPED, skip_reason=SkipReason.NOT_CHOSEN)


def _take(change: changes.Change, cards: QuerySet[Card], *, blank_too: bool) -> int:
    moved = 0
    if blank_too:
        reasons = (SkipReason.NOT_CHOSEN, SkipReason.BLANK)
        blank = cards.filter(status=CardStatus.SKIPPED, skip_reason__in=reasons, blank=True)
        moved = change.move_cards(blank, CardStatus.PENDING, **(blocks.AFRESH | NOT_BLANK))
    moved += change.move_cards(cards.filter(**LEFT_OUT), CardStatus.PENDING, **blocks.AFRESH)
    if change.batch.option("pass_blank"):  # one may have been found to be blank while it was left out
        scans.pass_over(change)
    return moved


def read_rest(batch: Batch, some: Collection[int] | None = None, by: User | None = None) -> int:
    """Cards that were left out are read after all, or some of them; return how many.

    A batch that was over goes on with them, one that is paused stays so. Raises TransitionRefused for a draft, and
    CannotStart where no call may be made.
    """
    blocks.finish_stop(batch.pk)
    taken, more, entry = 0, True, None
    while more:
        with changes.locked(batch) as change:
            if number := _read_block(change, some, by):
                entry = activity.more(entry, change.batch, by, "read_rest", number)
        taken, more = taken + number, number == blocks.BLOCK
    if taken:
        tasks.drain(batch.pk)
    return taken


def _read_block(change: changes.Change, some: Collection[int] | None, by: User | None) -> int:
    if change.batch.is_draft:
        raise changes.TransitionRefused(change.batch.status, change.batch.status)
    runs.may_go_on(change.batch)
    left = change.batch.cards.filter(**LEFT_OUT)
    if some is not None:
        left = left.filter(pk__in=some)
    block = Card.objects.filter(pk__in=list(left.order_by("position").values_list("pk", flat=True)[: blocks.BLOCK]))
    first = block.aggregate(first=Min("position"))["first"]
    number = change.move_cards(block, CardStatus.PENDING, **blocks.AFRESH)
    if number:
        runs.go_on(change)
        duplicates.compare_from(change, first)
        if change.batch.option("pass_blank"):
            scans.pass_over(change)
        change.finish_if_done(timezone.now(), by)
    return number
