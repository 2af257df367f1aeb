"""What an administrator does about cards that could not be read, whichever batch they are of."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from django.db import transaction
from django.utils import timezone

from batches import changes, news
from batches.actions import activity, keys, runs
from batches.drain import blocks
from batches.models import Batch, Card, Notice
from batches.states import CardStatus
from cardocr_site.accounts.models import User

BLOCK = 1000
UNREADABLE = "marked_unreadable"


def retry(cards: Iterable[tuple[int, int]], by: User, *, key: str = keys.BATCH) -> int:
    """Read them again, batch by batch; return how many. Cards as (batch, card). One that has moved on is left.

    `key`: whose they are read with.
    """
    number = 0
    for batch_id, ids in _blocks(cards):
        blocks.finish_stop(batch_id)
        with changes.locked(batch_id) as change:
            failed = Card.objects.filter(pk__in=ids, status=CardStatus.FAILED)
            moved = change.move_cards(failed, CardStatus.PENDING, **blocks.AFRESH)
            if moved:
                activity.record(change.batch, by, "retry", moved)
                keys.choose(change, by, key)
                runs.go_on(change)
                runs.ring(batch_id)
        number += moved
    return number


def mark_unreadable(cards: Iterable[tuple[int, int]], by: User) -> int:
    """Say that these cannot be read by anything: they stay failed, and are not retried with a cause any more."""
    number = 0
    for batch_id, ids in _blocks(cards):
        with changes.locked(batch_id) as change:
            failed = Card.objects.filter(pk__in=ids, status=CardStatus.FAILED).exclude(error=UNREADABLE)
            moved = change.touch_cards(failed, error=UNREADABLE, error_message="", files_due=True)
            if moved:
                activity.record(change.batch, by, "unreadable", moved)
                runs.ring(batch_id)
        number += moved
    return number


def _blocks(cards: Iterable[tuple[int, int]]) -> Iterator[tuple[int, list[int]]]:
    for batch_id, of_batch in groupby(sorted(cards), key=lambda one: one[0]):
        ids = [card_id for _batch_id, card_id in of_batch]
        for start in range(0, len(ids), BLOCK):
            yield batch_id, ids[start : start + BLOCK]


def tell_owners(batch_ids: Iterable[int], by: User, text: str, cause: str = "") -> int:
    """Leave a notice on the page of each batch, and in the bell of its owner; return how many."""
    with transaction.atomic():
        batches = Batch.objects.filter(pk__in=set(batch_ids)).order_by("pk")
        made = Notice.objects.bulk_create(Notice(batch=batch, by=by, text=text, cause=cause) for batch in batches)
        for notice in made:
            news.told(notice.batch, text, by)
    return len(made)


def put_away(batch: Batch, notice_id: int, by: User) -> None:
    """It was read; twice is once."""
    Notice.objects.filter(batch=batch, pk=notice_id, done_at=None).update(done_at=timezone.now(), done_by=by)
