"""The grid of a batch's cards: which of them, in which order, which page; and what comes before and after a card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Expression, F, Q, QuerySet, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Lower, NullIf
from django.http import QueryDict

from batches.models import Batch, Card, indexing
from batches.queries import sorting, words
from batches.queries.asked import whole_number
from batches.states import CardStatus, SkipReason

S = CardStatus
FILTERS: dict[str, Q] = {
    "check": Q(status=S.COMPLETED, to_check=True),
    "empty": Q(status=S.COMPLETED, nothing_found=True),
    "again": Q(status=S.COMPLETED, candidates__gt=0),
    "read": Q(status=S.COMPLETED, to_check=False, reviewed=False),
    "sample": Q(drawn__isnull=False),
    "reviewed": Q(status=S.COMPLETED, reviewed=True, to_check=False),
    "problems": Q(status=S.FAILED),
    "skipped": Q(status=S.SKIPPED),
    "blank": Q(status=S.SKIPPED, skip_reason=SkipReason.BLANK),
    "left-out": Q(status=S.SKIPPED, skip_reason=SkipReason.NOT_CHOSEN),
    "waiting": Q(status__in=[S.PENDING, S.PROCESSING, S.CANCELLED]),
}
FIELD = "field."  # before a field's key, in the address
SORTS: dict[str, tuple[Any, ...]] = {
    "position": (),
    "severity": (F("severity"),),
    "name": (Lower("original_name"), F("page")),
    "status": (F("status"), F("to_check")),
    "confidence": (),  # by its own index: by_value()
}
PAGE_SIZES = (50, 100, 200)
MOST = 1000  # cards that an address names one by one


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address says. Unknown values are left out, never an error."""

    name: str = ""
    cause: str = ""  # of the problems, those with this error
    text: str = ""
    sort: str = "position"
    per: int = PAGE_SIZES[0]
    field: str = ""  # of the text: it is looked for in this field alone
    below: int = 0  # percent: those of which the engine was less sure
    cards: tuple[int, ...] = ()  # these alone, of all that fit
    view: int = 0  # the saved view whose columns the table has; says nothing of the cards

    @classmethod
    def from_query(cls, query: Mapping[str, Any], batch: Batch) -> "Filters":
        name, sort, per = query.get("filter", ""), query.get("sort", ""), query.get("per", "")
        field = query.get("in", "")
        known = {*SORTS, *(FIELD + spec.key for spec in batch.specs())}
        return cls(
            name=name if name in FILTERS else "",
            cause=query.get("cause", "").replace("\x00", "")[:64] if name == "problems" else "",
            text=query.get("q", "").replace("\x00", "").strip()[:200],
            sort=sort if sort.removeprefix("-") in known else "position",
            per=int(per) if per in {str(size) for size in PAGE_SIZES} else PAGE_SIZES[0],
            field=field if FIELD + field in known else "",
            below=whole_number(query.get("below"), digits=2) or 0,
            cards=_numbers(query.get("cards", "").split(",")),
            view=whole_number(query.get("view")) or 0,
        )

    @property
    def any(self) -> bool:
        return bool(self.name or self.text or self.below or self.cards)

    @property
    def counted(self) -> bool:
        """The batch's own counters tell how many there are."""
        return not (self.text or self.cause or self.below or self.cards)

    @property
    def every(self) -> bool:
        """Nothing narrows them."""
        return self.counted and not self.name

    @property
    def by_position(self) -> bool:
        return self.sort == "position"

    def query(self, **changed: str) -> str:
        """The address of the same cards; without the page, unless it is given."""
        parts = {"filter": self.name, "cause": "" if "filter" in changed else self.cause, "q": self.text}
        parts["in"] = self.field if self.text else ""
        parts["below"] = str(self.below or "")
        parts["cards"] = self.named
        parts["sort"] = "" if self.by_position else self.sort
        parts["per"] = "" if self.per == PAGE_SIZES[0] else str(self.per)
        parts["view"] = str(self.view or "")
        return urlencode({name: value for name, value in (parts | changed).items() if value})

    @property
    def named(self) -> str:
        return ",".join(str(pk) for pk in self.cards)

    @property
    def inside(self) -> str:
        """The address that looks for the text inside words, too; empty where this one does."""
        return "" if not self.text or self.text.startswith(words.INSIDE) else self.query(q=words.INSIDE + self.text)

    def turned(self, sort: str) -> str:
        """The order that a click on a column's head asks for."""
        return f"-{sort}" if self.sort == sort else sort


def ticked(query: QueryDict) -> tuple[int, ...]:
    """The cards that a form names one by one."""
    return _numbers(query.getlist("card"))


def _numbers(texts: Sequence[str]) -> tuple[int, ...]:
    found = (whole_number(text) for text in texts[:MOST])
    return tuple(number for number in found if number is not None)


def narrowed(batch: Batch, filters: Filters) -> QuerySet[Card]:
    return narrow(batch.cards.all(), filters)


def narrow(cards: QuerySet[Card], filters: Filters) -> QuerySet[Card]:
    """The same of any cards, also of several batches."""
    if filters.name:
        cards = cards.filter(FILTERS[filters.name])
    if filters.cause:
        cards = cards.filter(error=filters.cause)
    if filters.below:
        cards = cards.filter(status=S.COMPLETED, result__confidence__lt=filters.below / 100)
    if filters.cards:
        cards = cards.filter(pk__in=filters.cards)
    if filters.text:
        cards = cards.filter(words.matching(filters.text))
    if filters.text and filters.field:
        cards = cards.filter(words.within(_text_of(filters.field), filters.text))
    return cards


def ids(batch: Batch, filters: Filters, start: int, stop: int | None, count: int | None = None) -> list[int]:
    """The keys of the cards of a filter in their order, from one place to another; `count`: of all, where it is known.

    Few that hold a word are taken from the index of words and sorted; of many the batch is gone through in its order.
    """
    order = by_value(batch, filters, count)
    if order is not None:
        return order.ids(start, stop)
    few = bool(filters.text) and count is not None and count <= sorting.FEW
    wanted = narrowed(batch, filters).order_by(*order_of(filters.sort, few=few))
    return list(wanted.values_list("pk", flat=True)[start:stop])


def by_value(batch: Batch, filters: Filters, count: int | None = None) -> sorting.Sorted | None:
    """The order of a field's values, or of how sure the engine was; None for another order."""
    key = value_key(filters)
    if key is None:
        return None
    count = number(batch, filters) if count is None else count
    down = filters.sort.startswith("-")
    return sorting.Sorted(batch, narrowed(batch, filters), count, filters.every, key, down)


def value_key(filters: Filters) -> str | None:
    """The key of the values that they are sorted by; None for another order."""
    name = filters.sort.removeprefix("-")
    if name == "confidence":
        return indexing.SURE
    return name.removeprefix(FIELD) if name.startswith(FIELD) else None


def order_of(sort: str, *, few: bool = False) -> list[Any]:
    name, down = sort.removeprefix("-"), sort.startswith("-")
    turned = [part.desc() if down else part.asc() for part in SORTS[name]]
    backwards = down and name in {"position", "name", "status"}  # as one index keeps it
    place = F("position") + 0 if few else F("position")  # a sum is in no index
    return [*turned, *([place.desc(), F("pk").desc()] if backwards else [place.asc(), F("pk").asc()])]


def _text_of(key: str) -> Expression:
    """On SQLite Django gives a JSON null as the text "null"."""
    return NullIf(Cast(KeyTextTransform(key, "result__values"), TextField()), Value("null", TextField()))


def counts(batch: Batch) -> dict[str, int]:
    """How many cards each filter gives, from the batch's own counters: nothing is counted."""
    return {
        "": batch.total,
        "check": batch.to_check,
        "empty": batch.nothing_found,
        "again": batch.check_again,
        "read": max(0, batch.completed - batch.to_check - batch.reviewed),
        "sample": batch.sampled,
        "reviewed": batch.reviewed,
        "problems": batch.failed,
        "skipped": batch.skipped,
        "blank": batch.blank,
        "left-out": batch.not_chosen,
        "waiting": batch.pending + batch.processing + batch.cancelled,
    }


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page of the grid."""

    cards: list[Card]
    number: int
    count: int
    per: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // self.per))

    @property
    def first(self) -> int:
        return (self.number - 1) * self.per + 1

    @property
    def last(self) -> int:
        return min(self.number * self.per, self.count)

    @property
    def shown(self) -> list[int | None]:
        """The numbers to click on: the ends and what is near; None for a gap."""
        near = {1, self.pages, *range(self.number - 2, self.number + 3)}
        numbers = sorted(number for number in near if 1 <= number <= self.pages)
        shown: list[int | None] = []
        for number in numbers:
            if shown and shown[-1] != number - 1:
                shown.append(None)
            shown.append(number)
        return shown


def number(batch: Batch, filters: Filters) -> int:
    """How many there are; by the batch's own counters, where they know it."""
    return counts(batch)[filters.name] if filters.counted else narrowed(batch, filters).count()


def page(batch: Batch, filters: Filters, wanted: str | None) -> Sheet:
    """A page and its cards with their results; the last one where there are fewer. Earlier cards are not loaded."""
    count = number(batch, filters)
    pages = max(1, -(-count // filters.per))
    shown = min(whole_number(wanted, digits=8) or 1, pages)
    start = (shown - 1) * filters.per
    keys = ids(batch, filters, start, start + filters.per, count)
    return Sheet(in_order(batch, keys), shown, count, filters.per)


def in_order(batch: Batch, keys: list[int]) -> list[Card]:
    by_id = batch.cards.order_by().select_related("result", "reviewed_by").in_bulk(keys)
    return [by_id[pk] for pk in keys if pk in by_id]


@dataclass(frozen=True, slots=True)
class Neighbours:
    previous: int | None
    next: int | None


def neighbours(batch: Batch, filters: Filters, card: Card) -> Neighbours:
    """The cards before and after this one in the filter one came from; it need not be in the filter itself."""
    order = by_value(batch, filters)
    if order is not None:
        left, right = order.near(card, 1, 1)
        return Neighbours(next(iter(left), None), next(iter(right), None))
    if not filters.by_position:
        return _in_list(ids(batch, filters, 0, None), card)
    cards = narrowed(batch, filters)
    after = cards.filter(position__gte=card.position).exclude(position=card.position, pk__lte=card.pk)
    before = cards.filter(position__lte=card.position).exclude(position=card.position, pk__gte=card.pk)
    return Neighbours(
        before.order_by("-position", "-pk").values_list("pk", flat=True).first(),
        after.order_by("position", "pk").values_list("pk", flat=True).first(),
    )


def _in_list(keys: list[int], card: Card) -> Neighbours:
    if card.pk not in keys:
        return Neighbours(None, keys[0] if keys else None)
    place = keys.index(card.pk)
    return Neighbours(keys[place - 1] if place else None, keys[place + 1] if place + 1 < len(keys) else None)
