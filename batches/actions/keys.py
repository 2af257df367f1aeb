"""Whose key a batch is read with: as its start has frozen it, until somebody who reads on takes one's own."""

from collections.abc import Iterable

from batches import changes
from batches.models import Batch
from cardocr_site.accounts.models import User
from ocr import people

BATCH, MINE = "batch", "mine"


def differing(batches: Iterable[Batch], user: User) -> list[Batch]:
    """Somebody who reads on is to say whose key is meant. The key of a re-reading is the one of who asked for it."""
    payers: dict[int, User | None] = {}
    found = []
    for batch in batches:
        reader = batch.reader
        if reader is None:
            continue
        if reader.pk not in payers:
            payers[reader.pk] = people.payer(user, reader)
        if payers[reader.pk] != frozen(batch):
            found.append(batch)
    return found


def frozen(batch: Batch) -> User | None:
    return batch.rereading.key_of if batch.rereading else batch.key_of


def choose(change: changes.Change, by: User | None, key: str) -> None:
    """In a change that lets the batch be read on. Mine: that of `by`, otherwise the engine's own."""
    batch = change.batch
    if key != MINE or by is None:
        return
    if batch.engine is not None:
        batch.key_of = people.payer(by, batch.engine)
        change.set(key_of=batch.key_of)
    if batch.rereading is not None:
        batch.rereading.key_of = people.payer(by, batch.rereading.engine)
        batch.rereading.save(update_fields=["key_of"])
