"""All cards that failed for one cause: read again, or left out."""

from typing import Any

from django.db.models import F, QuerySet
from django.utils import timezone

from batches import changes, tasks
from batches.actions import activity, keys, runs
from batches.drain import blocks
from batches.models import Batch, Card
from batches.states import BatchStatus, CardStatus, SkipReason, TurnedBy
from cardocr_site.accounts.models import User

BLOCK = 1000


def retry_cause(batch: Batch, code: str, by: User | None = None, *, turned: int = 0, key: str = keys.BATCH) -> int:
    """Read them again, and nothing else; return how many. A batch that is paused stays so. Raises TransitionRefused.

    `turned`: degrees clockwise that their scans are turned by first. `key`: whose they are read with.
    """
    number, entry = 0, None
    how = blocks.AFRESH | (_turned(turned) if turned else {})
    blocks.finish_stop(batch.pk)
    while True:
        with changes.locked(batch) as change:
            if change.batch.is_draft:
                raise changes.TransitionRefused(change.batch.status, BatchStatus.QUEUED)
            moved = change.move_cards(_block(batch, code), CardStatus.PENDING, **how)
            if moved:
                entry = activity.more(
                    entry, change.batch, by, "retry", moved, cause=code, **({"turned": turned} if turned else {})
                )
                keys.choose(change, by, key)
                runs.go_on(change)
        number += moved
        if moved < BLOCK:
            break
    if number:
        if turned:
            tasks.prepare(batch.pk)
        tasks.drain(batch.pk)
    return number


def _turned(degrees: int) -> dict[str, Any]:
    """By a person's word, and to be prepared anew."""
    return {"rotation": (F("rotation") + degrees) % 360, "turned_by": TurnedBy.PERSON, "prepared_at": None}


def skip_cause(batch: Batch, code: str, by: User | None = None) -> int:
    """Leave them out; return how many."""
    number, entry, now = 0, None, timezone.now()
    while True:
        with changes.locked(batch) as change:
            moved = change.move_cards(
                _block(batch, code),
                CardStatus.SKIPPED,
                skip_reason=SkipReason.PERSON,
                error="",
                error_message="",
                rereading=None,
                finished_at=now,
                files_due=True,
            )
            if moved:
                entry = activity.more(entry, change.batch, by, "skip", moved, cause=code)
            change.finish_if_done(now, by)
        number += moved
        if moved < BLOCK:
            break
    if number:
        tasks.drain(batch.pk)  # which files the cards
    return number


def _block(batch: Batch, code: str) -> QuerySet[Card]:
    failed = batch.cards.filter(status=CardStatus.FAILED, error=code).order_by("position")
    return Card.objects.filter(pk__in=list(failed.values_list("pk", flat=True)[:BLOCK]))
