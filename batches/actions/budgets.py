"""What a batch may cost: set, raised, lowered or taken away at any time."""

from decimal import Decimal
from functools import partial

from django.db import transaction

from batches import changes, tasks
from batches.models import Batch


def set_budget(batch: Batch, amount: Decimal | None) -> Batch:
    """None: no limit. A batch that is paused for it stays so until a person resumes it."""
    with changes.locked(batch) as change:
        change.set(budget=amount)
        if not change.batch.currency and change.batch.engine is not None and not change.batch.is_draft:
            change.set(currency=change.batch.engine.currency)
        if not change.batch.is_draft:
            transaction.on_commit(partial(tasks.drain, change.batch.pk))
    return Batch.objects.get(pk=change.batch.pk)
