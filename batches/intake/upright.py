"""Which way up a scan is, as the batch's setting or the text on it says. A person's own word comes before both."""

import logging
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from batches.models import Batch, Card
from batches.states import TurnedBy
from ocr.engines.local import ocr, reading
from ocr.errors import EngineFailed, EngineMissing, UnreadableImage

log = logging.getLogger(__name__)

AUTO, CHOICES = "auto", (0, 90, 180, 270)
AGREEING = 5  # cards in a row whose text says the same: the others lie like them
WORDLESS = 10  # cards in a row without any text: the others are not looked at
CERTAIN = {TurnedBy.TEXT, TurnedBy.SETTING, TurnedBy.PERSON}  # an engine need not look again


@dataclass(frozen=True, slots=True)
class Turned:
    rotation: int
    by: str
    by_degrees: int = 0  # clockwise, from how the page image was made


def first_options() -> dict[str, int]:
    """Of a new batch: the house's scanner may lay all of them the same way."""
    return {} if settings.TURN_SCANS == AUTO else {"rotation": int(settings.TURN_SCANS)}


def first_rotation(batch: Batch) -> int:
    """Of a scan that nobody has looked at."""
    setting = batch.option("rotation")
    return int(setting) if setting in CHOICES else 0


def known(card: Card) -> Turned | None:
    """Without a look at the scan. None: its text must be looked at."""
    if card.turned_by == TurnedBy.PERSON:
        return Turned(card.rotation, card.turned_by)
    setting = card.batch.option("rotation")
    if setting in CHOICES:
        return Turned(setting, TurnedBy.SETTING)
    agreed = card.batch.turning
    if agreed.get("agreeing", 0) < _enough(agreed.get("rotation")):
        return None
    if agreed["rotation"] is None:
        return Turned(card.rotation, TurnedBy.NOTHING)
    return Turned(agreed["rotation"], TurnedBy.OTHERS)


def _enough(rotation: int | None) -> int:
    return WORDLESS if rotation is None else AGREEING


def look(card: Card, page: Path, *, blank: bool) -> Turned:
    """By the text on the page image, which is turned as `card.rotation` says."""
    if turned := known(card):
        return turned
    if blank:
        return Turned(card.rotation, card.turned_by)
    try:
        found = reading.find_rotation(ocr.shared(), ocr.load(page))
    except EngineMissing:
        return Turned(card.rotation, TurnedBy.UNABLE)
    except (EngineFailed, UnreadableImage) as error:
        log.warning("Card %s: its text could not be looked at: %s", card.pk, error.message)
        return Turned(card.rotation, TurnedBy.NOTHING)
    if found is None:
        return Turned(card.rotation, TurnedBy.NOTHING)
    return Turned((card.rotation + found) % 360, TurnedBy.TEXT, found)


def agreed(batch: Batch, turned: Turned) -> dict[str, int | None] | None:
    """What the batch notes of it; None where it is no news."""
    if turned.by not in {TurnedBy.TEXT, TurnedBy.NOTHING}:
        return None
    before, rotation = batch.turning, turned.rotation if turned.by == TurnedBy.TEXT else None
    if rotation is None and before.get("rotation") is not None:
        return None  # a card without text among others says nothing
    again = "rotation" in before and before["rotation"] == rotation
    number = min(before.get("agreeing", 0) + 1, WORDLESS) if again else 1
    made = {"rotation": rotation, "agreeing": number}
    return None if made == before else made
