"""The columns of a table of cards: all of them, and of a batch's which somebody sees, in which order."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from batches.models import Batch, SavedView, TableColumns
from batches.queries import grid
from ocr.fields import FieldSpec

REVIEWER = "reviewer"
BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Layout:
    """What a person has said of a table. Columns that are not named are shown where the template has them."""

    hidden: Collection[str] = ()
    order: Sequence[str] = ()  # of those that may be moved; empty: as in the template


@dataclass(frozen=True, slots=True)
class Column:
    """`place`: from 1, as it stands in rows that everybody gets; the first one, the card's number, always leads."""

    name: str
    label: str
    css: str
    place: int
    shown: bool = True

    @property
    def sort(self) -> str:
        """As the address says it; empty where there is no such order."""
        return "" if self.name in {REVIEWER, BATCH} else self.name

    @property
    def optional(self) -> bool:
        return self.place > 1


def layout_of(batch: Batch, user: Any, view: SavedView | None = None) -> Layout:
    """As the view has it that is open, else as this person has it in the batch."""
    if view is not None and view.columns is not None:
        return Layout(view.columns["hidden"], view.columns["order"])
    found = TableColumns.objects.filter(batch=batch, user=user).first()
    return Layout(found.hidden, found.order) if found else Layout()


def laid(batch: Batch, layout: Layout) -> list[Column]:
    """In the order in which they stand, the hidden ones too."""
    columns = {
        name: Column(name, label, css, place, name not in layout.hidden)
        for place, (name, label, css) in enumerate(_columns(batch.specs()), 1)
    }
    pin = next(iter(columns.values()))
    return [pin, *(columns[name] for name in ordered(batch, layout.order))]


def of_collection(united: Sequence[FieldSpec]) -> list[Column]:
    card, *columns = [one for one in _columns(united) if one[0] != REVIEWER]
    shown = [card, (BATCH, _("Batch"), ""), *columns]
    return [Column(name, label, css, place) for place, (name, label, css) in enumerate(shown, 1)]


def names(batch: Batch) -> list[str]:
    """Of the columns that may be moved and taken out, as in the template."""
    return [name for name, _label, _css in _columns(batch.specs())[1:]]


def ordered(batch: Batch, order: Sequence[str]) -> list[str]:
    """All names in this order; one that is not in it stands behind that which it follows in the template."""
    usual = names(batch)
    found = [name for name in order if name in usual]
    for at, name in enumerate(usual):
        if name not in found:
            found.insert(found.index(usual[at - 1]) + 1 if at else 0, name)
    return found


def places(shown: Sequence[Column]) -> str:
    """How cells of a row that everybody gets are to be laid; empty where they stand right."""
    found = [column.place for column in shown]
    return "" if found == sorted(found) else ",".join(str(place) for place in found)


def _columns(specs: Sequence[FieldSpec]) -> list[tuple[str, str, str]]:
    return [
        ("position", _("Card"), "pin"),
        ("status", _("Result"), ""),
        *((grid.FIELD + spec.key, spec.label, "") for spec in specs),
        ("confidence", _("How sure"), "num"),
        (REVIEWER, _("Checked by"), ""),
        ("name", _("File"), ""),
    ]
