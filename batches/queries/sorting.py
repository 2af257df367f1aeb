"""Cards in the order of a field's values, by the index that keeps it: numbers by their size, then other values.

Cards without a value come last, by position. Turned round, the values are; these stay last.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from batches.models import Batch, Card, CardValue

FEW = 2000  # cards that are sorted at once; more are gone through in the order of the index until enough are found
_COLUMNS = ("number", "text", "position", "card")
_PLACE = "(batches_cardvalue.number, batches_cardvalue.text, batches_cardvalue.position, batches_cardvalue.card_id)"


@dataclass(frozen=True, slots=True)
class Sorted:
    """`cards`: of the batch, those wanted; `count` of them, `every` of the batch's or a part."""

    batch: Batch
    cards: QuerySet[Card]
    count: int
    every: bool
    key: str
    down: bool

    def ids(self, start: int, stop: int | None) -> list[int]:
        """The keys of the cards from one place to another."""
        if not self.every and self.count <= FEW:
            return self._few()[start:stop]
        found = list(self._turned(self._valued(), self.down).values_list("card", flat=True)[start:stop])
        if stop is not None and len(found) == stop - start:
            return found
        number = self._valued().count() if start or not found else len(found)
        after, until = max(0, start - number), None if stop is None else stop - number
        return found + list(self._valueless().values_list("pk", flat=True)[after:until])

    def _few(self) -> list[int]:
        wanted = set(self.cards.order_by().values_list("pk", flat=True))
        values = CardValue.objects.filter(card__in=wanted, key=self.key)
        valued = list(self._turned(values, self.down).values_list("card", flat=True))
        there = set(valued)
        rest = self.cards.order_by("position", "pk").values_list("pk", flat=True)
        return valued + [pk for pk in rest if pk not in there]

    def near(self, card: Card, before: int, after: int) -> tuple[list[int], list[int]]:
        """The keys of so many cards before and after this one, which need not be one of them."""
        if not self.every and self.count <= FEW:
            few = self._few()
            at = few.index(card.pk) if card.pk in few else -1
            return (few[max(0, at - before) : at], few[at + 1 : at + 1 + after]) if at >= 0 else ([], few[:after])
        value = CardValue.objects.filter(card=card.pk, key=self.key).values_list(*_COLUMNS).first()
        return self._beyond(card, value, before, forwards=False)[::-1], self._beyond(card, value, after, forwards=True)

    def ahead(self, card: Card, most: int) -> int:
        """How many come before it, at most `most`."""
        if not self.every and self.count <= FEW:
            few = self._few()
            return min(most, few.index(card.pk)) if card.pk in few else 0
        value = CardValue.objects.filter(card=card.pk, key=self.key).values_list(*_COLUMNS).first()
        if value is not None:
            return self._past(value, forwards=False)[:most].count()
        valued = self._valued()[:most].count()
        return min(most, valued + self._valueless().filter(position__lt=card.position)[:most].count())

    def _beyond(self, card: Card, value: Any, number: int, *, forwards: bool) -> list[int]:
        """From the card away: the nearest first."""
        if value is not None:
            past = self._turned(self._past(value, forwards=forwards), self.down == forwards)
            found = list(past.values_list("card", flat=True)[:number])
            if forwards and len(found) < number:
                found += self._valueless().values_list("pk", flat=True)[: number - len(found)]
            return found
        side = "gt" if forwards else "lt"
        order = ["position", "pk"] if forwards else ["-position", "-pk"]
        rest = self._valueless().filter(**{f"position__{side}": card.position}).order_by(*order)
        found = list(rest.values_list("pk", flat=True)[:number])
        if not forwards and len(found) < number:
            found += self._turned(self._valued(), not self.down).values_list("card", flat=True)[: number - len(found)]
        return found

    def _past(self, value: tuple[Any, ...], *, forwards: bool) -> QuerySet[CardValue]:
        side = "<" if forwards == self.down else ">"
        return self._valued().extra(where=[f"{_PLACE} {side} (%s, %s, %s, %s)"], params=value)  # noqa: S610

    def _valued(self) -> QuerySet[CardValue]:
        values = CardValue.objects.filter(batch=self.batch, key=self.key)
        return values if self.every else values.filter(Exists(self.cards.order_by().filter(pk=OuterRef("card_id"))))

    def _valueless(self) -> QuerySet[Card]:
        value = CardValue.objects.filter(card=OuterRef("pk"), key=self.key)
        return self.cards.filter(~Exists(value)).order_by("position", "pk")

    @staticmethod
    def _turned(values: QuerySet[CardValue], down: bool) -> QuerySet[CardValue]:
        return values.order_by(*(f"-{name}" if down else name for name in _COLUMNS))
