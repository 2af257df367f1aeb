"""Views of the table of cards that somebody has saved, as far as the table at hand can show them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from batches.models import SavedView
from batches.queries.grid import Filters

PASSING = {"page", "cards"}  # of one moment and one batch: not worth a name
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
    saved = [_saved(view, read, query) for view in SavedView.objects.filter(user=user)]
    return Shelf(saved, query, next((one.view for one in saved if one.current), None))


def lasting(query: str) -> str:
    """Without what nobody means by a view."""
    asked = QueryDict(query, mutable=True)
    for name in [name for name in asked if name in PASSING or not asked[name]]:
        del asked[name]
    return asked.urlencode()


def _saved(view: SavedView, read: Callable[[QueryDict], Filters], now: str) -> Saved:
    asked = QueryDict(view.query)
    query = read(asked).query()
    lost = set(asked) - set(QueryDict(query)) - ORDER
    return Saved(view, query, fits=not lost, current=bool(now) and not lost and query == now)
