"""The columns of a table of cards, in their order: all of them, and of a batch's which somebody sees."""

from collections.abc import Collection
from dataclasses import dataclass

from django.utils.translation import gettext as _

from batches.models import Batch, HiddenColumns
from batches.queries import grid
from cardocr_site.accounts.models import User

REVIEWER = "reviewer"
BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Column:
    """`place`: from 1, as it stands in a row; the first one, the card's number, is always shown."""

    name: str
    label: str
    css: str
    place: int
    shown: bool

    @property
    def sort(self) -> str:
        """As the address says it; empty where there is no such order."""
        return "" if self.name in {REVIEWER, BATCH} else self.name

    @property
    def optional(self) -> bool:
        return self.place > 1


def of(batch: Batch, user: User) -> list[Column]:
    hidden = hidden_from(batch, user)
    return [
        Column(name, label, css, place, name not in hidden)
        for place, (name, label, css) in enumerate(_columns(batch), 1)
    ]


def of_collection(whole: Batch) -> list[Column]:
    card, *columns = [one for one in _columns(whole) if one[0] != REVIEWER]
    shown = [card, (BATCH, _("Batch"), ""), *columns]
    return [Column(name, label, css, place, shown=True) for place, (name, label, css) in enumerate(shown, 1)]


def names(batch: Batch) -> list[str]:
    """Of the columns that may be taken out."""
    return [name for name, _label, _css in _columns(batch)[1:]]


def hidden_from(batch: Batch, user: User) -> Collection[str]:
    found = HiddenColumns.objects.filter(batch=batch, user=user).values_list("names", flat=True).first()
    return set(found or ())


def _columns(batch: Batch) -> list[tuple[str, str, str]]:
    return [
        ("position", _("Card"), "pin"),
        ("status", _("Result"), ""),
        *((grid.FIELD + spec.key, spec.label, "") for spec in batch.specs()),
        ("confidence", _("How sure"), "num"),
        (REVIEWER, _("Checked by"), ""),
        ("name", _("File"), ""),
    ]
