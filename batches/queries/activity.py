"""The list of what people did: which entries, filtered, a page at a time by keyset."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from batches.models import Activity, Batch
from cardocr_site.accounts.models import User

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Page:
    entries: list[Activity]
    older: str  # the address of the next page's beginning; empty on the last


def visible(user: User, batch: Batch | None) -> QuerySet[Activity]:
    acts = Activity.objects.visible_to(user) if batch is None else batch.activities.all()
    return acts.select_related("by", "undone_by", "batch__owner")


def people(user: User, batch: Batch | None) -> list[User]:
    """Those who did something here."""
    acts = (Activity.objects.visible_to(user) if batch is None else batch.activities.all()).order_by()
    return list(User.objects.filter(pk__in=acts.values("by")).order_by("first_name", "last_name", "username"))


def page(acts: QuerySet[Activity], kinds: Collection[str], person: UUID | None, before: str) -> Page:
    if kinds:
        acts = acts.filter(kind__in=kinds)
    if person is not None:
        acts = acts.filter(by=person)
    if (start := _parsed(before)) is not None:
        at, pk = start
        acts = acts.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk))
    found = list(acts.order_by("-at", "-pk")[: PER_PAGE + 1])
    entries = found[:PER_PAGE]
    last = entries[-1] if len(found) > PER_PAGE else None
    return Page(entries, f"{last.at.isoformat()}~{last.pk}" if last else "")


def _parsed(text: str) -> tuple[datetime, Any] | None:
    at, _, pk = text.partition("~")
    try:
        moment = parse_datetime(at)
    except ValueError:
        return None
    known = moment is not None and moment.tzinfo is not None and pk.isascii() and pk.isdecimal() and len(pk) < 18
    return (moment, int(pk)) if known and moment else None
