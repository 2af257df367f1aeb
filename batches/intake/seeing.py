"""What preparation finds on a card's page image besides making it: blank, what it looks like, codes, which way up."""

import logging
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from batches import changes
from batches.intake import decoders, store, upright
from batches.intake.decoders import Examined
from batches.models import Card
from batches.states import CardStatus, SkipReason
from ocr.errors import UnreadableImage

log = logging.getLogger(__name__)


# What a card forgets of a picture that is no longer its own.
UNSEEN: dict[str, Any] = {
    "prepared_at": None,
    "turned_by": "",
    "trimmed": False,
    "phash": None,
    "blank": None,
    "codes": [],
}


@dataclass(frozen=True, slots=True)
class Seen:
    examined: Examined | None  # None: that could not be told
    turned: upright.Turned


def framed(card: Card, size: tuple[int, int]) -> list[int] | None:
    """Where the card lies on its scan of this size, as Scan.crop has it, where the batch wants that to be known."""
    option = card.batch.option
    trim, straighten = option("trim"), option("straighten")
    if not (trim or straighten) or card.crop or card.cut or option("sheets"):
        return None
    try:
        page = store.derived(card, "page")
        found = decoders.pool().find_frame(page, card.rotation, trim=trim, straighten=straighten)
    except UnreadableImage as error:
        log.warning("Card %s: its frame could not be looked for: %s %s", card.pk, error.message, error.raw)
        return None
    if found is None:
        return None
    (left, top, right, bottom), tilt = found
    width, height = size
    box = [round(left * width), round(top * height), round((right - left) * width), round((bottom - top) * height)]
    return [*box, round(tilt * 100) % 36_000] if tilt else box


def see(card: Card) -> Seen:
    """Of a card whose page image is made, turned as `card.rotation` says."""
    page = store.derived(card, "page")
    examined = None
    try:
        examined = decoders.pool().examine(page)
    except UnreadableImage as error:  # the page image was made: this is ours, and nothing that a card fails for
        log.warning("Card %s: what it shows could not be told: %s %s", card.pk, error.message, error.raw)
    blank = examined is not None and examined.blank and card.blank is not False
    return Seen(examined, upright.look(card, page, blank=blank))


def columns(card: Card, seen: Seen) -> dict[str, Any]:
    """What is written down of it. A person's word stays: that a card is not blank, how it is turned."""
    examined, turned = seen.examined, seen.turned
    fields: dict[str, Any] = {"rotation": turned.rotation, "turned_by": turned.by}
    if examined is not None:
        others = [code for code in card.codes if code not in examined.codes] if card.back_id else []  # of its back
        fields |= {"codes": [*examined.codes, *others], "phash": examined.looks[turned.by_degrees]}
        if card.blank is not False:
            fields["blank"] = examined.blank
    return {name: value for name, value in fields.items() if getattr(card, name) != value}


def settle(change: changes.Change, card: Card, seen: Seen) -> None:
    """What follows from it for the batch: how its other scans lie; and a blank one is passed over."""
    if news := upright.agreed(change.batch, seen.turned):
        change.batch.turning = news
        change.set(turning=news)
    pass_over(change, card)


def pass_over(change: changes.Change, card: Card) -> None:
    """A blank scan is not read, unless the batch or a person wants that."""
    waits = card.status == CardStatus.PENDING and card.result_id is None and not card.error
    if not (card.blank and waits and change.batch.option("pass_blank")):
        return
    if card.back is not None and not card.back.blank:  # it is on the other side
        return
    now = timezone.now()
    change.move_card(card, CardStatus.SKIPPED, skip_reason=SkipReason.BLANK, finished_at=now)
    change.finish_if_done(now)
