"""What people do to the values of a card: correct them, enter them by hand, say that they are right."""

from collections.abc import Collection, Mapping
from typing import Any

from django.utils import timezone

from batches import changes, tasks
from batches.actions import activity, runs
from batches.drain import blocks, candidates, duplicates
from batches.drain.reading import searchable
from batches.models import Batch, Card, CardResult, FieldRevision
from batches.queries import results
from batches.states import CardStatus, SkipReason
from cardocr_site.accounts.models import User
from ocr import coercion

NOT_BLANK = {"blank": False, "prepared_at": None}  # it is prepared anew, for its text has not been looked at


class EditConflict(Exception):
    """Somebody has changed the card since it was read. `current` is the card as it stands."""

    code = "EDIT_CONFLICT"

    def __init__(self, current: Card) -> None:
        super().__init__(f"card {current.pk} is at version {current.version}")
        self.current = current


def correct(
    card: Card,
    user: User,
    version: int,
    values: Mapping[str, str | None],
    reviewed: bool | None = None,
    accepted: Collection[str] = (),
    *,
    recorded: bool = True,
) -> Card:
    """Record what a person says stands on the card. Nothing is refused for its form; the machine's reading stays.

    `accepted` are fields of which the person says that they are right as they then stand, changed or not.

    Raises EditConflict, and TransitionRefused for a card that was not read.
    """
    with changes.locked(card.batch_id) as change:
        fresh, result = read_card(change, card)
        if fresh.version != version:
            raise EditConflict(fresh)
        changed = changed_values(change.batch, result.values, values)
        known = {spec.key for spec in change.batch.specs()}
        said = [key for key in accepted if key in known and (key in changed or key not in result.checks)]
        if not changed and not said and _says_nothing_new(fresh, reviewed):
            return fresh
        made = FieldRevision.objects.bulk_create(
            FieldRevision(card=fresh, key=key, old=result.values.get(key), new=value, by=user)
            for key, value in changed.items()
        )
        if changed or said:
            _write_values(result, result.values | changed)
            _check(result, user, said)
        if recorded:
            activity.corrected(change.batch, user, fresh, made)
        _stamp(change, fresh, user, reviewed)
    return fresh


def mark_reviewed(card: Card, user: User, version: int, reviewed: bool) -> Card:
    """Say that a card is right, or take it back. Saying the same twice is saying it once. Raises EditConflict."""
    with changes.locked(card.batch_id) as change:
        fresh, _result = read_card(change, card)
        if _says_nothing_new(fresh, reviewed):
            return fresh
        if fresh.version != version:
            raise EditConflict(fresh)
        _stamp(change, fresh, user, reviewed)
    return fresh


def enter_by_hand(card: Card, user: User, values: Mapping[str, str | None]) -> Card:
    """The values of a card that was not read, from a person; it then counts as checked. Raises TransitionRefused."""
    now = timezone.now()
    with changes.locked(card.batch_id) as change:
        fresh = change.batch.cards.select_related("result").get(pk=card.pk)
        enterable = fresh.status in {CardStatus.FAILED, CardStatus.PENDING} and fresh.result is None
        if change.batch.is_draft or not enterable:
            raise changes.TransitionRefused(fresh.status, CardStatus.COMPLETED)
        result = CardResult(
            card=fresh, engine_name="", by_hand=True, template_version_id=change.batch.template_version_id
        )
        entered = changed_values(change.batch, result.values, values)
        result.values = {spec.key: entered.get(spec.key) for spec in change.batch.specs()}
        result.search = searchable(result)
        result.save()
        FieldRevision.objects.bulk_create(
            FieldRevision(card=fresh, key=key, old=None, new=value, by=user, by_hand=True)
            for key, value in entered.items()
        )
        activity.record(change.batch, user, "enter", group=True, **activity.about(fresh))
        change.move_card(
            fresh,
            CardStatus.COMPLETED,
            result=result,
            to_check=False,
            nothing_found=False,
            reviewed=True,
            reviewed_by=user,
            looked_at=now,
            error="",
            error_message="",
            worker=None,
            lease_until=None,
            called_at=None,
            not_before=None,
            rereading=None,
            finished_at=now,
            files_due=True,
        )
        change.finish_if_done(now, user)
    return fresh


def read_after_all(card: Card, by: User | None = None) -> Card:
    """Put a card that was left out back to those that wait; one that waits already is left alone.

    A batch that was over goes on with it, one that is paused stays so; in a draft only a blank one can have been left
    out. Raises TransitionRefused.
    """
    blocks.finish_stop(card.batch_id)
    with changes.locked(card.batch_id) as change:
        fresh = change.batch.cards.get(pk=card.pk)
        blank, left_out = (fresh.skip_reason == reason for reason in (SkipReason.BLANK, SkipReason.NOT_CHOSEN))
        possible = fresh.status in {CardStatus.SKIPPED, CardStatus.PENDING, CardStatus.PROCESSING}
        if not possible or (change.batch.is_draft and not blank):
            raise changes.TransitionRefused(fresh.status, CardStatus.PENDING)
        if fresh.status != CardStatus.SKIPPED:
            return fresh
        change.move_card(fresh, CardStatus.PENDING, **blocks.AFRESH, **(NOT_BLANK if blank else {}))
        activity.record(change.batch, by, "read_skipped", group=True, **activity.about(fresh))
        if change.batch.is_draft:
            tasks.prepare(card.batch_id)
            return fresh
        if left_out:
            duplicates.compare_from(change, fresh.position)
        runs.go_on(change)
    tasks.drain(card.batch_id)
    return fresh


def read_card(change: changes.Change, card: Card) -> tuple[Card, CardResult]:
    """The card and its result as they stand under the lock. Raises TransitionRefused for a card that was not read."""
    fresh = change.batch.cards.select_related("result").get(pk=card.pk)
    if fresh.result is None or not fresh.is_read:
        raise changes.TransitionRefused(fresh.status, CardStatus.COMPLETED)
    return fresh, fresh.result


def changed_values(
    batch: Batch, held: Mapping[str, str | None], values: Mapping[str, str | None]
) -> dict[str, str | None]:
    """The values as they are recorded, those alone that differ from what holds now; unknown fields are left out."""
    changed = {}
    for spec in batch.specs():
        if spec.key in values:
            value = coercion.normalise(spec, values[spec.key])[0]
            if value != held.get(spec.key):
                changed[spec.key] = value
    return changed


def _write_values(result: CardResult, values: dict[str, str | None]) -> None:
    """That a value was found right is said of that value alone."""
    result.checks = {key: one for key, one in result.checks.items() if result.values.get(key) == values.get(key)}
    result.values = values
    result.search = searchable(result)
    result.save(update_fields=["values", "search", "checks"])


def _check(result: CardResult, user: User, keys: Collection[str]) -> None:
    if keys:
        said = {"by": str(user.pk), "at": timezone.now().isoformat(timespec="seconds")}
        result.checks |= dict.fromkeys(keys, said)
        result.save(update_fields=["checks"])


def _says_nothing_new(card: Card, reviewed: bool | None) -> bool:
    """A card that was reviewed may have got a reading or a field since then: that it is right is said anew."""
    return reviewed is None or (reviewed == card.reviewed and not (reviewed and card.to_check))


def _stamp(change: changes.Change, card: Card, user: User, reviewed: bool | None) -> None:
    """`reviewed` None: nothing is said about the card as a whole.

    Another reading that nobody has decided about asks for a look, whoever has reviewed the card.
    """
    fields: dict[str, Any] = {}
    if not _says_nothing_new(card, reviewed):
        said = "review" if reviewed else "unreview"
        activity.record(change.batch, user, said, group=True, **activity.about(card))
    if card.result is not None:
        fields["nothing_found"] = results.nothing_found(change.batch.specs(), card.result)
    if _says_nothing_new(card, reviewed):
        doubt = card.to_check if card.reviewed else is_in_doubt(change.batch, card)
    else:
        fields |= {"reviewed": reviewed, "reviewed_by": user if reviewed else None}
        if reviewed:
            candidates.seen([card])
            fields["flagged"] = False
            card.notes.filter(closed_at=None).update(closed_at=timezone.now())
        doubt = not reviewed and is_in_doubt(change.batch, card)
    fields["looked_at"] = timezone.now()
    flagged = fields.get("flagged", card.flagged)
    change.touch_card(card, files_due=True, to_check=bool(card.candidates) or flagged or doubt, **fields)


def stamped(change: changes.Change, card: Card, user: User) -> None:
    """After its values were changed elsewhere, with nothing said about the card as a whole."""
    _stamp(change, card, user, None)


def is_in_doubt(batch: Batch, card: Card) -> bool:
    """Whether its values deserve a look, should nobody have taken one. What a person corrected or accepted does not."""
    if card.result is None:
        return False
    settled = {key for _card, key in results.corrections_of([card])} | set(card.result.checks)
    return results.is_to_check(batch, batch.specs(), card.result, settled)
