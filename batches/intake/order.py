"""The order of a draft's cards: natural by their names, or as a person has laid it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from django.db import connection
from django.db.models import F

from batches import changes
from batches.intake import names
from batches.models import Batch, Card

Step = Literal["up", "down"]
STEPS: tuple[Step, ...] = ("up", "down")


def settle(change: changes.Change) -> None:
    """Positions from 1, without gaps. The caller holds the lock.

    In the natural order of folder, name and page (2 comes before 10), unless a person has laid another.
    """
    rows = list(change.batch.cards.values_list("pk", "position", "original_name", "page", "cut"))
    if change.batch.order_by_hand:
        rows.sort(key=lambda row: (row[1], row[4], row[0]))  # what was cut out of one stands in its place
    else:
        rows.sort(key=lambda row: (names.natural(row[2]), row[3], row[4], row[0]))
    moved = [(place, row[0]) for place, row in enumerate(rows, 1) if row[1] != place]
    if not moved:
        return
    # One plain statement a card: bulk_update builds a CASE over all of them, ten times as slow for 100,000.
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE batches_card SET position = %s WHERE id = %s", moved)
    change.set(reload_after=change.version)


def move(change: changes.Change, card: Card, to: Step | int) -> int:
    """Lay a card elsewhere; the others close up. Returns its position. The caller holds the lock."""
    settle(change)
    card.refresh_from_db(fields=["position"])
    old, last = card.position, change.batch.total
    wanted = to if isinstance(to, int) else old - 1 if to == "up" else old + 1
    new = min(max(wanted, 1), last)
    if new != old:
        between, step = ((new, old - 1), 1) if new < old else ((old + 1, new), -1)
        change.batch.cards.filter(position__range=between).update(position=F("position") + step)
        Card.objects.filter(pk=card.pk).update(position=new)
        change.set(order_by_hand=True, reload_after=change.version)
    return new


def natural(change: changes.Change) -> None:
    """As if nobody had moved anything. The caller holds the lock."""
    if change.batch.order_by_hand:
        change.batch.order_by_hand = False
        change.set(order_by_hand=False)
    settle(change)


def settle_draft(batch: Batch) -> None:
    """After files were added: they came in the order in which they were sent."""
    with changes.locked(batch) as change:
        if change.batch.is_draft:
            settle(change)


@contextmanager
def settled_afterwards(batch: Batch) -> Iterator[None]:
    """What is done in blocks is laid in order once, also where it was cut off: each time all cards are looked at."""
    try:
        yield
    finally:
        settle_draft(batch)
