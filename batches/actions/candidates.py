"""Of several readings of a card, which holds: decided by a person, and to be taken back."""

from collections.abc import Collection

from batches import changes
from batches.actions import activity
from batches.actions.cards import EditConflict, is_in_doubt, read_card
from batches.drain.candidates import UNSEEN, unseen
from batches.drain.reading import searchable
from batches.models import Batch, Card, CardResult, FieldRevision
from batches.queries import results
from batches.states import ResultState
from cardocr_site.accounts.models import User
from ocr import coercion

OPEN = {ResultState.CANDIDATE, ResultState.REJECTED, ResultState.EARLIER}


class NoSuchReading(Exception):
    """Another person has decided about it already, or it is none of this card's."""


def differing(batch: Batch, holds: CardResult, other: CardResult) -> list[str]:
    """The fields that both were asked for and that differ now."""
    return [
        spec.key
        for spec in batch.specs()
        if spec.key in other.values and not coercion.same(spec, holds.values.get(spec.key), other.values[spec.key])
    ]


def accept(card: Card, user: User, version: int, result_id: int, keys: Collection[str] | None = None) -> Card:
    """Let another reading hold, or some of its values. Raises EditConflict, NoSuchReading and TransitionRefused.

    The whole of it takes the place of the present one, which stays as an earlier one and can be taken again. Of some
    values alone each is a correction of what holds.
    """
    with changes.locked(card.batch_id) as change:
        fresh, holds = _at(change, card, version)
        other = _other(fresh, holds, result_id)
        differ = differing(change.batch, holds, other)
        wanted = [key for key in differ if keys is None or key in keys]
        FieldRevision.objects.bulk_create(
            FieldRevision(card=fresh, key=key, old=holds.values.get(key), new=other.values[key], by=user)
            for key in wanted
        )
        values = holds.values | {key: other.values[key] for key in wanted}
        if wanted == differ:
            _replace(holds, other, values)
        else:
            _set(holds, values)
            state = ResultState.ACCEPTED if wanted else ResultState.REJECTED
            CardResult.objects.filter(pk=other.pk).update(state=state)
        activity.record(change.batch, user, "accept", group=True, **activity.about(fresh))
        _stamp(change, fresh, other if wanted == differ else holds)
    return fresh


def reject(card: Card, version: int, result_id: int, by: User | None = None) -> Card:
    """Keep what holds. Raises the same."""
    with changes.locked(card.batch_id) as change:
        fresh, holds = _at(change, card, version)
        other = _other(fresh, holds, result_id)
        CardResult.objects.filter(pk=other.pk).update(state=ResultState.REJECTED)
        activity.record(change.batch, by, "reject", group=True, **activity.about(fresh))
        _stamp(change, fresh, holds)
    return fresh


def _at(change: changes.Change, card: Card, version: int) -> tuple[Card, CardResult]:
    fresh, holds = read_card(change, card)
    if fresh.version != version:
        raise EditConflict(fresh)
    return fresh, holds


def _other(card: Card, holds: CardResult, result_id: int) -> CardResult:
    other = card.results.filter(pk=result_id, state__in=OPEN).exclude(pk=holds.pk).first()
    if other is None:
        raise NoSuchReading
    return other


def _replace(holds: CardResult, other: CardResult, values: dict[str, str | None]) -> None:
    """Fields that the other one was not asked for come along as they are."""
    CardResult.objects.filter(pk=holds.pk).update(state=ResultState.EARLIER)
    missing = {key: stored for key, stored in holds.fields.items() if key not in other.fields}
    marked = {key: other.fields[key] | {UNSEEN: True} for key in unseen(holds) if key in other.fields}
    other.state, other.fields = ResultState.ACCEPTED, other.fields | missing | marked
    for name in ("transcription", "pictures", "summary"):
        if not getattr(other, name):  # it was not asked for
            setattr(other, name, getattr(holds, name))
    if other.entries is None:
        other.entries, other.arranged = holds.entries, holds.arranged
    _set(other, values)


def _set(result: CardResult, values: dict[str, str | None]) -> None:
    result.checks = {key: one for key, one in result.checks.items() if result.values.get(key) == values.get(key)}
    result.values = values
    result.search = searchable(result)
    result.save()


def _stamp(change: changes.Change, card: Card, holds: CardResult) -> None:
    open_ = card.results.filter(state=ResultState.CANDIDATE).count()
    card.result = holds
    added = set(unseen(holds)) - {key for _card, key in results.corrections_of([card])}
    doubt = bool(open_) or card.flagged or (bool(added) if card.reviewed else is_in_doubt(change.batch, card))
    nothing = results.nothing_found(change.batch.specs(), holds)
    change.touch_card(card, result=holds, candidates=open_, to_check=doubt, nothing_found=nothing, files_due=True)
