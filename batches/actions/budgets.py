"""What a batch may cost: set, raised, lowered or taken away at any time."""

from decimal import Decimal
from functools import partial

from django.db import transaction

from batches import changes, tasks
from batches.actions import activity
from batches.models import Batch
from cardocr_site.accounts.models import User


def set_budget(batch: Batch, amount: Decimal | None, by: User | None = None) -> Batch:
    """None: no limit. A batch that is paused for it stays so until a person resumes it."""
    with changes.locked(batch) as change:
        if amount != change.batch.budget:
            activity.record(change.batch, by, "budget", amount=None if amount is None else str(amount))
        change.set(budget=amount)
        if not change.batch.currency and change.batch.engine is not None and not change.batch.is_draft:
            change.set(currency=change.batch.engine.currency)
        if not change.batch.is_draft:
            transaction.on_commit(partial(tasks.drain, change.batch.pk))
    return Batch.objects.get(pk=change.batch.pk)
