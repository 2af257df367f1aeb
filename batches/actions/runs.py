"""What people do to a batch that is read: start, pause, resume, stop, retry, skip."""

from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from batches import changes, tasks
from batches.actions import activity, keys
from batches.drain import blocks, duplicates, gate, tries
from batches.intake import moves, order, store
from batches.models import DEFAULT_OPTIONS, Batch, Card
from batches.queries import besides, budgets, house, uploads
from batches.queries import pilot as pilots
from batches.queries.means import read_task
from batches.states import BatchStatus, CardStatus, PauseReason, SkipReason
from cardocr_site.accounts.models import User
from ocr import people, prompts
from ocr.models import Engine

UNPAUSED: dict[str, Any] = {"pause_reason": "", "pause_message": "", "retry_at": None}


PILOT = 10  # cards that the page offers to read first


class CannotStart(Exception):
    """The batch lacks something, or may not go on. The message is for a person."""

    code = "VALIDATION_ERROR"

    def __init__(self, message: str, code: str = "VALIDATION_ERROR") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def ring(batch_id: int) -> None:
    transaction.on_commit(partial(tasks.drain, batch_id))


def start(batch: Batch, user: Any, *, pilot: int | None = None) -> Batch:
    """Freeze the batch and let it be read. Starting it twice is starting it once.

    `pilot`: so many cards are read first, then a person decides; None: as the options say, 0: all at once.
    Raises CannotStart.
    """
    with changes.locked(batch) as change:
        if change.batch.status != BatchStatus.DRAFT:
            return change.batch
        engine = _require(change.batch)
        now = timezone.now()
        order.settle(change)
        options = DEFAULT_OPTIONS | change.batch.options
        if pilot is not None:
            options["pilot"] = pilot
        change.batch.options = options
        change.batch.compared_upto = 0
        tries.keep_in(change, engine)
        pending = change.counted("pending")
        change.move_batch(
            BatchStatus.QUEUED,
            started_at=now,
            label=store.label(change.batch, now),
            fields=change.batch.fields,
            options=options,
            model=change.batch.model or engine.model,
            key_of=people.payer(user, engine),
            **_currency(change.batch, engine),
            pilot=options["pilot"] if 0 < options["pilot"] < pending else None,
            prompt="" if engine.kind == Engine.Kind.LOCAL else prompts.build(read_task(change.batch)),
        )
        activity.record(change.batch, user, "start", change.batch.total, engine=engine.name)
        activity.sent_out(change.batch, user, engine, pending)
        duplicates.take_over_in(change, user)  # the first block; the drain goes on with a large batch
        ring(change.batch.pk)
    started = Batch.objects.get(pk=change.batch.pk)
    if not started.is_active:  # every card was read before: nobody else comes by to give the folder its name
        moves.settle(started)
    return started


def _currency(batch: Batch, engine: Engine) -> dict[str, Any]:
    """That of the engine. What tries with another engine have cost in another one cannot be added to it."""
    if batch.cost and batch.currency != engine.currency:
        return {"currency": engine.currency, "cost": 0, "unpriced": batch.calls}
    return {"currency": engine.currency}


def _require(batch: Batch) -> Engine:
    if not batch.specs():
        raise CannotStart(_("Name at least one field that is to be read."))
    if uploads.is_opening(batch):
        raise CannotStart(_("Files are still being opened: wait until their cards are there, then start."))
    if not batch.pending:
        nothing = _("Every scan is blank.") if batch.blank else _("Add at least one scan.")
        raise CannotStart(_("Choose at least one card.") if batch.not_chosen else nothing)
    if batch.engine is None or not batch.engine.enabled:
        raise CannotStart(_("Choose what reads the cards."))
    refusal = besides.refusal(batch.engine, batch.options) or house.refusal(batch, batch.engine)
    if refusal := refusal or budgets.used_up(batch, batch.engine):
        raise CannotStart(refusal)
    return batch.engine


def pause(batch: Batch, by: User | None = None) -> Batch:
    """After the answer no new call starts; calls in flight complete and are kept."""
    with changes.locked(batch) as change:
        if change.batch.status != BatchStatus.PAUSED:
            activity.record(change.batch, by, "pause")
        change.move_batch(BatchStatus.PAUSED, pause_reason=PauseReason.PERSON, pause_message="", retry_at=None)
        ring(change.batch.pk)
    gate.wait_until_clear(change.batch.pk)
    return Batch.objects.get(pk=change.batch.pk)


def resume(batch: Batch, by: User | None = None, *, key: str = keys.BATCH) -> Batch:
    """Go on with a paused batch, also after its pilot, or read the rest of a stopped one. `key`: whose it is read with.

    Raises CannotStart where no call may be made, so that nothing seems to go on that stops at once.
    """
    with changes.locked(batch) as change:
        if change.batch.is_active:
            return change.batch
        paused = change.batch.status == BatchStatus.PAUSED
        rest = 0 if paused else change.batch.cancelled  # left by an earlier stop: nobody asks for them now
        over = change.batch.status in {BatchStatus.COMPLETED, BatchStatus.FAILED}
        if change.batch.is_draft or (over and not rest):
            raise changes.TransitionRefused(change.batch.status, BatchStatus.QUEUED)
        keys.choose(change, by, key)
        may_go_on(change.batch)
        if change.batch.pause_reason == PauseReason.PILOT and pilots.finished(change.batch).exists():
            change.set(pilot=None)  # otherwise all of them are retried: nobody has seen a first card yet
        change.move_batch(BatchStatus.QUEUED, finished_at=None, **UNPAUSED)
        more = bool(rest) and blocks.read_rest_in(change)
        activity.record(change.batch, by, "resume", rest)
        ring(change.batch.pk)
    if more:
        while blocks.read_rest_some(change.batch.pk):
            continue
        tasks.drain(change.batch.pk)
    return Batch.objects.get(pk=change.batch.pk)


def may_go_on(batch: Batch) -> None:
    """Raises CannotStart where its engine may make no call."""
    reader = batch.keyed_reader
    why = house.refusal(batch, reader) or budgets.used_up(batch, reader) or (reader.lacks if reader else "")
    if why:
        raise CannotStart(why, code="BATCH_STATE_INVALID")


def cancel(batch: Batch, by: User | None = None) -> Batch:
    """Stop for good. The status flips first; the cards follow, the first block of them before the answer."""
    with changes.locked(batch) as change:
        if change.batch.status != BatchStatus.CANCELLED:
            activity.record(change.batch, by, "stop", change.batch.pending)
        ended: dict[str, Any] = {"finished_at": timezone.now(), "retry_upto": None, "pilot": None}
        change.move_batch(BatchStatus.CANCELLED, **ended, **UNPAUSED)
        ring(change.batch.pk)
    gate.wait_until_clear(change.batch.pk)
    blocks.cancel_some(change.batch.pk)
    return Batch.objects.get(pk=change.batch.pk)


def retry_all(batch: Batch, by: User | None = None, *, key: str = keys.BATCH) -> int:
    """Read every failed card again, nothing else; return how many. `key`: whose they are read with."""
    blocks.finish_stop(batch.pk)
    with changes.locked(batch) as change:
        if change.batch.status == BatchStatus.DRAFT:
            raise changes.TransitionRefused(change.batch.status, BatchStatus.QUEUED)
        failed = change.batch.failed
        if not failed:
            return 0
        keys.choose(change, by, key)
        go_on(change)
        change.set(retry_upto=change.batch.version)
        activity.record(change.batch, by, "retry", failed)
        ring(change.batch.pk)
    blocks.retry_some(change.batch.pk)
    tasks.drain(change.batch.pk)
    return failed


def retry_card(card: Card, by: User | None = None, *, key: str = keys.BATCH) -> Card:
    """Read one failed card again. One that waits already is left alone; a card that was read is never replaced."""
    blocks.finish_stop(card.batch_id)
    with changes.locked(card.batch_id) as change:
        card = change.batch.cards.get(pk=card.pk)
        if card.status in {CardStatus.PENDING, CardStatus.PROCESSING} and not change.batch.is_draft:
            return card
        if card.status != CardStatus.FAILED or change.batch.is_draft:
            raise changes.TransitionRefused(card.status, CardStatus.PENDING)
        change.move_card(card, CardStatus.PENDING, **blocks.AFRESH)
        keys.choose(change, by, key)
        activity.record(change.batch, by, "retry", group=True, **activity.about(card))
        go_on(change)
        ring(change.batch.pk)
    return card


def go_on(change: changes.Change) -> None:
    """A batch that was over is read on; one that is paused stays so until a person resumes it."""
    if change.batch.status in {BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.CANCELLED}:
        change.move_batch(BatchStatus.QUEUED, finished_at=None, **UNPAUSED)


def skip(card: Card, reason: SkipReason | str = SkipReason.PERSON, by: User | None = None) -> None:
    """Leave a card out that waits, is being read, or failed. Raises TransitionRefused for others."""
    now = timezone.now()
    with changes.locked(card.batch_id) as change:
        fresh = change.batch.cards.get(pk=card.pk)
        if fresh.status == CardStatus.SKIPPED:
            return
        if fresh.is_read:  # what it has would be lost from sight
            raise changes.TransitionRefused(fresh.status, CardStatus.SKIPPED)
        moved = change.move_card(
            fresh,
            CardStatus.SKIPPED,
            skip_reason=SkipReason(reason),
            error="",
            error_message="",
            worker=None,
            lease_until=None,
            called_at=None,
            rereading=None,
            finished_at=now,
            files_due=True,
        )
        if not moved:
            raise changes.TransitionRefused(fresh.status, CardStatus.SKIPPED)
        activity.record(change.batch, by, "skip", group=True, **activity.about(fresh))
        change.finish_if_done(now, by)
        ring(change.batch.pk)
