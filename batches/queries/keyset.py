"""A list by time, newest first, a page at a time: however long it is, a page costs the same."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db import models
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from batches.queries.asked import whole_number

PER_PAGE = 50

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    entries: list[Row]
    older: str  # the address of the next page's beginning; empty on the last


def page(rows: QuerySet[Row], before: str) -> Page[Row]:
    """Of rows with a moment `at`."""
    if (start := _parsed(before)) is not None:
        at, pk = start
        rows = rows.filter(Q(at__lt=at) | Q(at=at, pk__lt=pk))
    found: list[Any] = list(rows.order_by("-at", "-pk")[: PER_PAGE + 1])
    entries = found[:PER_PAGE]
    last = entries[-1] if len(found) > PER_PAGE else None
    return Page(entries, f"{last.at.isoformat()}~{last.pk}" if last else "")


def _parsed(text: str) -> tuple[datetime, Any] | None:
    at, _, pk = text.partition("~")
    try:
        moment = parse_datetime(at)
    except ValueError:
        return None
    number = whole_number(pk)
    return (moment, number) if moment is not None and moment.tzinfo is not None and number is not None else None
