"""Which scans of a draft are listed to be chosen from, and how many there are of each kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from batches.models import Batch, Card
from batches.queries import preparing
from batches.states import CardStatus, SkipReason

KINDS: dict[str, Q] = {
    "chosen": Q(status=CardStatus.PENDING),
    "left-out": Q(status=CardStatus.SKIPPED, skip_reason=SkipReason.NOT_CHOSEN),
    "blank": Q(status=CardStatus.SKIPPED, skip_reason=SkipReason.BLANK),
    "alike": Q(likeness__like__isnull=False, likeness__kept=False) & (Q(blank=None) | Q(blank=False)),
    "unreadable": ~Q(error=""),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address says. Unknown values are left out, never an error."""

    only: str = ""
    text: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> "Filters":
        only = query.get("only", "")
        text = query.get("name", "").replace("\x00", "").strip()[:200]
        return cls(only if only in KINDS else "", text)

    @property
    def any(self) -> bool:
        return bool(self.only or self.text)


def found(batch: Batch, filters: Filters) -> QuerySet[Card]:
    cards = batch.cards.filter(KINDS.get(filters.only, Q()))
    return cards.filter(original_name__icontains=filters.text) if filters.text else cards


def left_out(batch: Batch, text: str = "") -> QuerySet[Card]:
    """Of a started batch, what nobody has chosen, in order."""
    return found(batch, Filters("left-out", text)).order_by("position", "pk")


@dataclass(frozen=True, slots=True)
class Chip:
    only: str
    label: str
    number: int
    current: bool


def told(batch: Batch, filters: Filters) -> dict[str, Any]:
    """For the page of a draft's scans; what the batch counts itself is not counted again."""
    unreadable = batch.cards.filter(KINDS["unreadable"]).count()
    preparation = preparing.told(batch)
    kinds = (
        ("", _("All"), batch.total),
        ("chosen", _("Chosen"), batch.pending),
        ("left-out", _("Not chosen"), batch.not_chosen),
        ("blank", _("Blank"), batch.blank),
        ("alike", _("Look alike"), preparation["alike"]),
        ("unreadable", _("Cannot be opened"), unreadable),
    )
    shown = [
        Chip(only, label, number, only == filters.only)
        for only, label, number in kinds
        if (number and (only != "chosen" or batch.not_chosen)) or only in {"", filters.only}
    ]
    return preparation | {"kinds": shown}
