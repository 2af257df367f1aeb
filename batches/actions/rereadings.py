"""Cards that were read are read again; what they have stays until a person decides."""

from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from batches import changes, tasks
from batches.actions import activity
from batches.actions.runs import UNPAUSED, ring
from batches.drain import blocks
from batches.models import Batch, Card, Rereading
from batches.queries import rereading as queries
from batches.queries.means import read_task
from batches.queries.rereading import Means
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from ocr import people, prompts
from ocr.models import Engine


class CannotReadAgain(Exception):
    """The message is for a person."""

    code = "BATCH_STATE_INVALID"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def start(batch: Batch, user: User, cards: QuerySet[Card], means: Means) -> Rereading:
    """Mark the cards in one statement and send the first block of them back; the drain goes on. Raises CannotReadAgain.

    Cards that could not be read are read, too. A new version brings its fields to the batch: as columns at once.
    """
    blocks.finish_stop(batch.pk)
    with changes.locked(batch) as change:
        fresh = change.batch
        if said := queries.refusal(fresh) or queries.objection(fresh, means):
            raise CannotReadAgain(said)
        made = _made(fresh, user, means)
        meant = cards.filter(batch=fresh, status__in=queries.READ, rereading=None).order_by()
        made.total = Card.objects.filter(pk__in=meant.values("pk")).update(rereading=made)
        if not made.total:
            raise CannotReadAgain(_("There is no card here that was read or could not be read."))
        made.save(update_fields=["total"])
        activity.record(fresh, user, "reread", made.total, engine=means.engine.name)
        activity.sent_out(fresh, user, means.engine, made.total)
        if means.version is not None:
            _adopt(change, means)
        fresh.rereading = made
        change.set(rereading=made)
        change.move_batch(BatchStatus.QUEUED, finished_at=None, **UNPAUSED)
        ring(fresh.pk)
    blocks.read_again_some(batch.pk)
    tasks.drain(batch.pk)
    return made


def _made(batch: Batch, user: User, means: Means) -> Rereading:
    version = means.version
    made = Rereading(
        batch=batch,
        engine=means.engine,
        model=means.model or means.engine.model,
        template_version=version or batch.template_version,
        fields=[spec.to_dict() for spec in queries.asked(batch, means)],
        instruction=version.instruction if version else batch.instruction,
        only_new=means.only_new,
        created_by=user,
        key_of=people.payer(user, means.engine),
    )
    made.save()
    return made


def _adopt(change: changes.Change, means: Means) -> None:
    """The batch has the newer version from now on; cards that are retried are asked for all of its fields."""
    batch, version = change.batch, means.version
    if version is None:
        return
    adopted: dict[str, Any] = {
        "fields": queries.united(batch, version),
        "template_version": version,
        "instruction": version.instruction,
        "reload_after": change.version,
    }
    for name, value in adopted.items():
        setattr(batch, name, value)
    prompted = batch.engine is not None and batch.engine.kind != Engine.Kind.LOCAL
    change.set(**adopted, prompt=prompts.build(read_task(batch)) if prompted else "")
