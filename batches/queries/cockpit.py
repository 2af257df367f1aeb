"""What the review page shows of one card: its fields with what else was read for them, and what was typed before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from batches.models import Batch, Card, Draft
from batches.queries import results
from batches.queries.results import Cell
from cardocr_site.accounts.models import User

MOST_OFFERS = 6
AROUND = 0.35  # of a region's size, shown around it


@dataclass(frozen=True, slots=True)
class Line:
    """A field in the form. `typed` stands in it; `theirs`: typed against a value that somebody has changed since."""

    cell: Cell
    typed: str
    was: str
    theirs: bool
    offers: tuple[str, ...]  # other values that may be meant
    snip: str  # the part of the scan where it was read, as a viewBox; empty where nobody knows

    @property
    def key(self) -> str:
        return self.cell.key

    @property
    def doubtful(self) -> bool:
        return bool(self.cell.mark) or self.theirs

    @property
    def settled(self) -> bool:
        return not self.doubtful and bool(self.cell.checked or self.cell.corrected)


def lines(batch: Batch, card: Card, row: results.Row, typed: Mapping[str, tuple[str, str]]) -> list[Line]:
    """`typed`: of each field the value that stood there, and what was typed."""
    others = list(card.results.exclude(pk=card.result_id).order_by("-pk")[:MOST_OFFERS]) if card.result_id else []
    readings = [other.values for other in others]
    return [_line(card, cell, typed.get(cell.key), [values.get(cell.key) for values in readings]) for cell in row.cells]


def _line(card: Card, cell: Cell, typed: tuple[str, str] | None, others: Sequence[str | None]) -> Line:
    was, text = typed if typed else (cell.value, cell.value)
    offers = _distinct((cell.machine, cell.verbatim, *cell.codes, *others), but={cell.value})
    return Line(cell, text, was, was != cell.value and text != cell.value, offers, _snip(card, cell))


def _distinct(texts: Iterable[str | None], but: set[str]) -> tuple[str, ...]:
    found = dict.fromkeys(text for text in texts if text and text not in but)
    return tuple(found)[:MOST_OFFERS]


def _snip(card: Card, cell: Cell) -> str:
    """In pixels of the upright scan, with a little around it."""
    if not cell.regions or cell.on_back or not card.width:
        return ""
    width, height = card.upright
    boxes = [[float(part) / 100 for part in box] for box in cell.regions]
    left, top = min(box[0] for box in boxes) * width, min(box[1] for box in boxes) * height
    right = max(box[0] + box[2] for box in boxes) * width
    bottom = max(box[1] + box[3] for box in boxes) * height
    room = max((bottom - top) * AROUND, 4)
    return f"{left - room:.0f} {top - room:.0f} {right - left + 2 * room:.0f} {bottom - top + 2 * room:.0f}"


def drafted(card: Card, user: User) -> tuple[dict[str, tuple[str, str]], datetime | None]:
    """What this person has typed on the card and not accepted, and when it was kept."""
    draft = Draft.objects.filter(card=card, user=user).first()
    if draft is None:
        return {}, None
    return {key: (str(pair[0]), str(pair[1])) for key, pair in draft.values.items()}, draft.at
