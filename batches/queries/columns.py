"""The columns of a table of cards, a batch's or a collection's: which somebody sees, in which order."""

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


@dataclass(frozen=True, slots=True)
class Table:
    """Of a batch; without one, of the united fields of a collection."""

    specs: Sequence[FieldSpec]
    batch: Batch | None = None
    collection: str = ""

    @property
    def known_as(self) -> dict[str, Any]:
        """To TableColumns."""
        return {"batch": self.batch, "collection": self.collection}


def of_batch(batch: Batch) -> Table:
    return Table(batch.specs(), batch)


def layout_of(table: Table, user: Any, view: SavedView | None = None) -> Layout:
    """As the view has it that is open, else as this person has it in this table."""
    if view is not None and view.columns is not None:
        return Layout(view.columns["hidden"], view.columns["order"])
    found = TableColumns.objects.filter(user=user, **table.known_as).first()
    return Layout(found.hidden, found.order) if found else Layout()


def laid(table: Table, layout: Layout) -> list[Column]:
    """In the order in which they stand, the hidden ones too."""
    columns = {
        name: Column(name, label, css, place, name not in layout.hidden)
        for place, (name, label, css) in enumerate(_columns(table), 1)
    }
    pin = next(iter(columns.values()))
    return [pin, *(columns[name] for name in ordered(table, layout.order))]


def of_collection(united: Sequence[FieldSpec]) -> list[Column]:
    """As rows have them that everybody gets."""
    return laid(Table(united), Layout())


def names(table: Table) -> list[str]:
    """Of the columns that may be moved and taken out, as in the template."""
    return [name for name, _label, _css in _columns(table)[1:]]


def ordered(table: Table, order: Sequence[str]) -> list[str]:
    """All names in this order; one that is not in it stands behind that which it follows in the template."""
    usual = names(table)
    found = [name for name in order if name in usual]
    for at, name in enumerate(usual):
        if name not in found:
            found.insert(found.index(usual[at - 1]) + 1 if at else 0, name)
    return found


def places(shown: Sequence[Column]) -> str:
    """How cells of a row that everybody gets are to be laid; empty where they stand right."""
    found = [column.place for column in shown]
    return "" if found == sorted(found) else ",".join(str(place) for place in found)


def _columns(table: Table) -> list[tuple[str, str, str]]:
    together = table.batch is None
    return [
        ("position", _("Card"), "pin"),
        *([(BATCH, _("Batch"), "")] if together else []),
        ("status", _("Result"), ""),
        *((grid.FIELD + spec.key, spec.label, "") for spec in table.specs),
        ("confidence", _("How sure"), "num"),
        *([] if together else [(REVIEWER, _("Checked by"), "")]),
        ("name", _("File"), ""),
    ]
