"""What preparation finds on a card's page image besides making it: blank, what it looks like, codes, which way up."""

import logging
import math
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from batches import changes
from batches.intake import decoders, store, upright
from batches.intake.decoders import Examined
from batches.intake.store import AnyScan
from batches.models import Batch, Card, Sheet
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


def frames(batch: Batch) -> bool:
    """Whether cards are looked for within their scans."""
    return bool(batch.option("trim") or batch.option("straighten"))


def uncut(scan: AnyScan, sheet: Sheet | None) -> list[int] | None:
    """The region that it is without having been trimmed or set level."""
    return list(sheet.cuts[scan.cut - 1]) if sheet and 0 < scan.cut <= len(sheet.cuts) else None


def _waits(card: Card, sheet: Sheet | None) -> bool:
    """It may still be cut, and a person sees the page for that as it lies; or nobody knows the page it was cut from."""
    if card.cut:
        return sheet is None or card.crop != uncut(card, sheet)
    if card.crop:
        return True
    return bool(card.batch.option("sheets")) and (sheet is None or len(sheet.found) > 1)


def framed(card: Card, size: tuple[int, int], sheet: Sheet | None) -> list[int] | None:
    """Where the card lies on its scan of this size, as Scan.crop has it, where the batch wants that to be known."""
    option = card.batch.option
    trim, straighten = option("trim"), option("straighten")
    if not (trim or straighten) or card.trimmed or _waits(card, sheet):
        return None
    try:
        page = store.kept().local(store.derived(card, "page"))
        found = decoders.pool().find_frame(page, card.rotation, trim=trim, straighten=straighten)
    except UnreadableImage as error:
        log.warning("Card %s: its frame could not be looked for: %s %s", card.pk, error.message, error.raw)
        return None
    if found is None:
        return None
    (left, top, right, bottom), tilt = found
    width, height = size
    box = [round(left * width), round(top * height), round((right - left) * width), round((bottom - top) * height)]
    if card.cut and card.crop and sheet:
        box = _on_page(card.crop, box, math.radians(tilt), (sheet.width, sheet.height))
    return [*box, round(tilt * 100) % 36_000] if tilt else box


def _on_page(cut: list[int], box: list[int], tilt: float, page: tuple[int, int]) -> list[int]:
    """A box of a cut that was turned about its own middle: where it lies once the whole page is turned about its."""
    x, y = cut[0] + (cut[2] - page[0]) / 2, cut[1] + (cut[3] - page[1]) / 2  # of the cut's middle, from the page's
    cos, sin = math.cos(tilt), math.sin(tilt)
    across, down = cos * x + sin * y + page[0] / 2, cos * y - sin * x + page[1] / 2
    return [round(across - cut[2] / 2) + box[0], round(down - cut[3] / 2) + box[1], box[2], box[3]]


def see(card: Card) -> Seen:
    """Of a card whose page image is made, turned as `card.rotation` says."""
    page = store.kept().local(store.derived(card, "page"))
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
