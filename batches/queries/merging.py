"""Cards of several batches in one order: each batch comes by its own index, and the database merges them as they come.

Of what is equal, the older batch's cards come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F, OrderBy, OuterRef, Q, QuerySet

from batches.models import Batch, Card, CardValue
from batches.queries import grid, sorting

MOST = 100  # batches that are merged: SQLite takes 500 at most. Of more, all their cards are sorted for each page
_PLACE = (F("batch").asc(), F("position").asc(), F("pk").asc())
_VALUES = ("number", "text", "batch", "position", "card")


@dataclass(frozen=True, slots=True)
class Merged:
    """`count`: how many cards of these batches fit."""

    batches: Sequence[Batch]
    filters: grid.Filters
    count: int

    def ids(self, start: int, stop: int) -> list[int]:
        """The keys of the cards from one place to another."""
        key = grid.value_key(self.filters)
        if key is None:
            *columns, position, pk = grid.order_of(self.filters.sort)
            batch = F("batch").desc() if position.descending else F("batch").asc()
            return _merged([self._cards(part) for part in self._parts()], [*columns, batch, position, pk], start, stop)
        if not self.filters.every and self.count <= sorting.FEW:
            return self._few(key)[start:stop]
        found = _merged([self._values(part, key) for part in self._parts()], self._turned(), start, stop, "card")
        if len(found) == stop - start:
            return found
        number = self._values(self.batches, key).count() if start or not found else len(found)
        rest = [self._valueless(part, key) for part in self._parts()]
        return found + _merged(rest, _PLACE, max(0, start - number), stop - number)

    def _few(self, key: str) -> list[int]:
        wanted = set(self._cards(self.batches).order_by().values_list("pk", flat=True))
        values = CardValue.objects.filter(card__in=wanted, key=key).order_by(*self._turned())
        valued = list(values.values_list("card", flat=True))
        there = set(valued)
        rest = self._cards(self.batches).order_by(*_PLACE).values_list("pk", flat=True)
        return valued + [pk for pk in rest if pk not in there]

    def _parts(self) -> list[Sequence[Batch]]:
        """A text is looked for once in all of them: its words have one index."""
        one = bool(self.filters.text) or len(self.batches) > MOST
        return [self.batches] if one else [[batch] for batch in self.batches]

    def _cards(self, part: Sequence[Batch]) -> QuerySet[Card]:
        return grid.narrow(Card.objects.filter(_of(part)), self.filters)

    def _values(self, part: Sequence[Batch], key: str) -> QuerySet[CardValue]:
        values = CardValue.objects.filter(_of(part), key=key)
        if self.filters.every:
            return values
        return values.filter(Exists(self._cards(part).order_by().filter(pk=OuterRef("card_id"))))

    def _valueless(self, part: Sequence[Batch], key: str) -> QuerySet[Card]:
        return self._cards(part).filter(~Exists(CardValue.objects.filter(card=OuterRef("pk"), key=key)))

    def _turned(self) -> list[OrderBy]:
        down = self.filters.sort.startswith("-")
        return [F(name).desc() if down else F(name).asc() for name in _VALUES]


def _of(part: Sequence[Batch]) -> Q:
    return Q(batch=part[0].pk) if len(part) == 1 else Q(batch__in=[batch.pk for batch in part])


def _merged(
    parts: Sequence[QuerySet[Any]], order: Sequence[OrderBy], start: int, stop: int, card: str = "pk"
) -> list[int]:
    columns = {f"by_{place}": one.expression for place, one in enumerate(order)}
    if len(parts) == 1:
        return list(parts[0].order_by(*order).values_list(card, flat=True)[start:stop])
    first, *others = (part.order_by().annotate(**columns).values_list(card, *columns) for part in parts)
    turned = (f"-by_{place}" if one.descending else f"by_{place}" for place, one in enumerate(order))
    return [row[0] for row in first.union(*others, all=True).order_by(*turned)[start:stop]]
