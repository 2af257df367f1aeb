"""What comes of tries: booked like any call, kept beside the card, and taken at the start where nothing has changed."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from batches import changes, clock
from batches.drain.outcomes import Event, Outcome
from batches.drain.reading import attempt_of, clean, result_of
from batches.drain.spending import Tally
from batches.models import Attempt, Card, CardResult, CardScan, TryCard
from batches.queries import results, trying
from batches.queries.means import pictures, read_key, setup_of
from batches.states import CardStatus, ResultState, TurnedBy
from ocr import checking
from ocr.errors import CallWithheld, ExtractionError
from ocr.models import Engine
from ocr.reading import Reading, Usage

PATIENT = 5  # tries of a card, also of those that do not count
LONGEST = 60.0  # seconds that somebody waits for a further try


def settle(row: TryCard, outcome: Outcome, put: Callable[[Event], None]) -> None:
    """Write down what came. Where the batch was started meanwhile, its collector takes the reading: it is paid for."""
    with changes.locked(row.tryout.batch_id) as change:
        if change.batch.is_draft:
            _note(change, row, outcome)
            return
        TryCard.objects.filter(pk=row.pk).delete()
        engine, reading = change.batch.engine, outcome.reading
        if reading and (engine is None or setup_of(change.batch, engine).key != outcome.setup.key):
            told = ExtractionError("Read with other fields than those of the start.", raw=reading.raw)
            told.usage = reading.usage
            outcome.reading, outcome.error = None, told
    put(outcome)


def _note(change: changes.Change, row: TryCard, outcome: Outcome) -> None:
    attempt = _booked(change, outcome)
    fields: dict[str, Any] = {"duration": outcome.duration, "cost": attempt.cost if attempt else None}
    if outcome.setup.engine.prices.free:
        fields["cost"] = 0
    if outcome.reading is not None:
        result = _kept(change, row.card_id, outcome, outcome.reading)
        if attempt is not None:
            Attempt.objects.filter(pk=attempt.pk).update(result=result)
        asked = [spec.to_dict() for spec in outcome.setup.task.fields]
        _finish(change, row, result=result, fields=asked, error="", error_message="", **fields)
    elif outcome.error is not None and _may_again(row, outcome):
        later = clock.now() + timedelta(seconds=outcome.retry_in)
        mine = TryCard.objects.filter(pk=row.pk, worker=row.worker, finished_at=None)
        mine.update(worker="", tries=row.tries + 1, not_before=later)
        change.set()
    else:
        error = outcome.error or ExtractionError()
        _finish(change, row, error=error.reason, error_message=clean(error.message), **fields)


def _booked(change: changes.Change, outcome: Outcome) -> Attempt | None:
    """The call, priced into batch and month; None where none was made."""
    if outcome.started_at is None:
        return None
    engine = outcome.setup.engine
    if not change.batch.cost and change.batch.currency != engine.currency:
        change.batch.currency = engine.currency
        change.set(currency=engine.currency)
    source = outcome.reading or outcome.error
    tally, attempt = Tally(change), attempt_of(outcome, outcome.started_at)
    attempt.claim = 0
    tally.add(attempt, engine, source.usage if source is not None else Usage(), outcome.error)
    attempt.save()
    tally.write()
    return attempt


def _kept(change: changes.Change, card_id: int, outcome: Outcome, reading: Reading) -> CardResult | None:
    """The reading, beside its card; none where the card was removed meanwhile."""
    card = change.batch.cards.select_related("back").filter(pk=card_id).first()
    if card is None:
        return None
    read = outcome.card
    result = result_of(outcome.setup, card.pk, reading)
    result.state = ResultState.TRIED
    if reading.rotation is not None and reading.rotation != card.rotation:
        change.touch_card(card, rotation=reading.rotation, turned_by=card.turned_by or TurnedBy.TEXT)
    read.rotation = read.rotation if reading.rotation is None else reading.rotation
    if read.back is not None and reading.back_rotation is not None:
        CardScan.objects.filter(pk=read.back.pk).update(rotation=reading.back_rotation)
        read.back.rotation = reading.back_rotation
    result.read_key = read_key(outcome.setup, pictures(read))
    result.save()
    return result


def _may_again(row: TryCard, outcome: Outcome) -> bool:
    error = outcome.error
    if error is None or not error.retryable or isinstance(error, CallWithheld) or outcome.retry_in > LONGEST:
        return False
    return row.tries + 1 < PATIENT and (not error.counts or row.tries < outcome.batch.option("retries"))


def _finish(change: changes.Change, row: TryCard, **fields: Any) -> None:
    """Fenced: a row that was given up, or asked for anew, stays as it is."""
    mine = TryCard.objects.filter(pk=row.pk, worker=row.worker, finished_at=None)
    mine.update(finished_at=clock.now(), **fields)
    change.set()


def end(row: TryCard, error: ExtractionError) -> None:
    """Nothing was asked of an engine, or nobody knows what came of it."""
    with changes.locked(row.tryout.batch_id) as change:
        _finish(change, row, error=error.reason, error_message=clean(error.message))


# -- at the start


def keep_in(change: changes.Change, engine: Engine) -> int:
    """In the change that starts the batch: readings made with its final means are its first ones; return how many.

    The others, made with other fields or another engine, have served their end.
    """
    batch = change.batch
    kept = trying.kept(batch, engine)
    specs, every_value = batch.specs(), engine.kind == Engine.Kind.LOCAL
    took = _durations(kept.values())
    for card in Card.objects.filter(pk__in=kept, status=CardStatus.PENDING, result=None):
        result = kept[card.pk]
        CardResult.objects.filter(pk=result.pk).update(state=ResultState.CURRENT)
        change.move_card(
            card,
            CardStatus.COMPLETED,
            result=result,
            to_check=checking.to_check(specs, result.fields, every_value=every_value, entries=result.entries),
            nothing_found=results.nothing_found(specs, result),
            finished_at=result.created_at,
            duration=took.get(result.pk),
            files_due=True,
        )
    CardResult.objects.filter(card__batch=batch, state=ResultState.TRIED).delete()
    TryCard.objects.filter(tryout__batch=batch, finished_at=None, worker="").delete()
    return len(kept)


def _durations(kept: Iterable[CardResult]) -> dict[int | None, float]:
    made = Attempt.objects.filter(result__in=[result.pk for result in kept])
    return dict(made.values_list("result_id", "duration"))
