"""Views of the table of cards that somebody has saved, as far as the table at hand can show them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict

from batches.models import SavedView
from batches.queries.grid import Filters

PASSING = {"page", "cards", "view", "columns"}  # of one moment and one batch: not worth a name
ORDER = {"sort", "per"}  # without these the same cards stand there


@dataclass(frozen=True, slots=True)
class Saved:
    view: SavedView
    query: str  # the address here
    fits: bool  # False: it asks for a field that this table does not have
    current: bool


@dataclass(frozen=True, slots=True)
class Shelf:
    """`query` is what can be saved now; `current` the view that shows the same already."""

    saved: list[Saved]
    query: str
    current: SavedView | None


def shelf(user: Any, read: Callable[[QueryDict], Filters], now: Filters) -> Shelf:
    """`read` takes an address as the table at hand does."""
    query = lasting(now.query())
    saved = [_saved(view, read, query, now.view) for view in SavedView.objects.filter(user=user)]
    return Shelf(saved, query, next((one.view for one in saved if one.current), None))


def lasting(query: str) -> str:
    """Without what nobody means by a view."""
    asked = QueryDict(query, mutable=True)
    for name in [name for name in asked if name in PASSING or not asked[name]]:
        del asked[name]
    return asked.urlencode()


def opened(user: Any, filters: Filters) -> SavedView | None:
    """The view whose columns an address asks for, where it is this person's and has any."""
    return SavedView.objects.filter(pk=filters.view, user=user, columns__isnull=False).first() if filters.view else None


def _saved(view: SavedView, read: Callable[[QueryDict], Filters], now: str, opened: int) -> Saved:
    asked = QueryDict(view.query)
    found = read(asked)
    lost = set(asked) - set(QueryDict(found.query())) - ORDER
    meant = bool(now) if view.columns is None else opened == view.pk
    current = meant and not lost and found.query() == now
    return Saved(view, replace(found, view=0 if view.columns is None else view.pk).query(), not lost, current)
