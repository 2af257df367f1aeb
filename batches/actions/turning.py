"""A person turns a scan, also one that was read: its values stay, and their places turn with it."""

from collections.abc import Sequence
from typing import Any

from batches import changes, tasks
from batches.actions import activity
from batches.intake import derive, upright
from batches.intake.regions import turn_readings
from batches.models import Card, CardResult, CardScan
from batches.states import CardStatus, TurnedBy
from cardocr_site.accounts.models import User
from ocr.errors import UnreadableImage


def turn(card: Card, degrees: int, by: User | None = None, *, back: bool = False) -> Card:
    """Turn its front or back clockwise; nothing but a person turns it any more. What was read stays as it is.

    Raises TransitionRefused.
    """
    at_once = not card.batch.is_draft and card.has_picture
    before = _side(card, degrees, back=back).rotation
    wanted = (before + degrees) % 360
    if at_once:  # the images are there before the row says so
        _make(card, wanted, back=back)
    with changes.locked(card.batch_id) as change:
        fresh = change.batch.cards.select_related("back").get(pk=card.pk)
        side = _side(fresh, degrees, back=back)
        if at_once and side.rotation != before:  # somebody else was faster
            raise changes.TransitionRefused(fresh.status, fresh.status)
        columns: dict[str, Any] = {"rotation": (side.rotation + degrees) % 360, "turned_by": TurnedBy.PERSON}
        again: dict[str, Any] = {"files_due": True} if at_once else {"prepared_at": None}
        if isinstance(side, CardScan):
            CardScan.objects.filter(pk=side.pk).update(**columns)
            change.touch_card(fresh, **again)
        else:
            change.touch_card(fresh, **columns, **again)
        turn_regions([fresh], degrees, back=back)
        activity.record(change.batch, by, "turn", group=True, **activity.about(fresh))
    if not at_once:
        tasks.prepare(card.batch_id)
    return fresh


def _side(card: Card, degrees: int, *, back: bool) -> Card | CardScan:
    """The scan that is turned, if that may be."""
    side = card.back if back else card
    busy = card.worker_id is not None or card.status == CardStatus.PROCESSING
    if side is None or busy or degrees not in upright.CHOICES:
        raise changes.TransitionRefused(card.status, card.status)
    return side


def _make(card: Card, rotation: int, *, back: bool) -> None:
    side = card.sides[-1] if back else card
    try:
        derive.turn(side, rotation)
    except UnreadableImage as error:
        raise changes.TransitionRefused(card.status, card.status) from error


def turn_regions(cards: Sequence[Card], degrees: int, *, back: bool = False) -> None:
    """Of all readings of the cards: whichever is taken, it shows where it was read."""
    name = "back_turned" if back else "turned"
    readings = list(CardResult.objects.filter(card__in=[card.pk for card in cards]))
    for result in readings:
        for fields in (result.fields, *(result.entries or ())):
            turn_readings(fields, degrees, back=back)
        setattr(result, name, (getattr(result, name) + degrees) % 360)
    CardResult.objects.bulk_update(readings, ["fields", "entries", name], batch_size=200)
