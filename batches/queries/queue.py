"""The cards that one goes through in the review: those of the filter one came from, and those that are done.

A card that is done leaves the filter. It stays in the queue of whoever began before (`since`), so that "4 of 37" counts
on and the film strip shows what was done. Whatever its length, a place in it costs the same few queries. The queue of a
collection goes through its batches one after the other.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db.models import Q, QuerySet
from django.utils import timezone

from batches.models import Batch, Card, Lease
from batches.queries import collections, grid, sorting
from batches.queries.asked import whole_number
from cardocr_site.accounts.models import User

FIRST = "-severity"  # what is gravest comes first
BEFORE, AFTER = 6, 12  # cards of the film strip around the one that is open
MANY = 10_000  # beyond, it is only said that there are more
DONE = 2_000
ENTRIES = 50  # cards among which a free one is looked for

Key = tuple[int, int, int, int]  # the batch's place, severity turned round, position, pk
_OF_A_KEY = ("batch", "severity", "position")


@dataclass(frozen=True)
class Queue:
    whole: Batch  # the batch, or those of a collection as one
    filters: grid.Filters
    since: datetime
    parts: tuple[Batch, ...] | None = None  # of a collection: its batches, in the order in which it goes through them

    @classmethod
    def from_query(cls, query: Mapping[str, Any], whole: Batch, parts: Iterable[Batch] | None = None) -> "Queue":
        """The address of the grid, with `queue` for its filter; without either, what is to check."""
        name = query.get("queue", query.get("filter"))
        asked = {key: query.get(key, "") for key in query}
        if name is None and "card" not in query:
            name, asked["sort"] = "check", query.get("sort", FIRST)
        begun = whole_number(query.get("since"), digits=10)
        filters = grid.Filters.from_query({**asked, "filter": name or ""}, whole)
        since = timezone.now() if begun is None else datetime.fromtimestamp(begun, UTC)
        return cls(whole, filters, since, None if parts is None else tuple(parts))

    @classmethod
    def of_collection(cls, query: Mapping[str, Any], name: str, user: User) -> "Queue":
        read = collections.started(collections.batches_of(user, name))
        return cls.from_query(query, collections.whole(name, read), read)

    @property
    def batches(self) -> tuple[Batch, ...]:
        return (self.whole,) if self.parts is None else self.parts

    @property
    def collection(self) -> str:
        """Empty: it is the queue of one batch."""
        return "" if self.parts is None else self.whole.collection

    @cached_property
    def places(self) -> dict[int, int]:
        return {batch.pk: place for place, batch in enumerate(self.batches)}

    def begun(self) -> "Queue":
        """As one enters it: of very many cards of a collection, in an order that is not that of its batches, no index
        tells which comes next; one goes through them batch after batch.
        """
        if self.parts is None or self.in_batches or sum(self.numbers.values()) <= sorting.FEW:
            return self
        return replace(self, filters=replace(self.filters, sort="position"))

    @property
    def in_batches(self) -> bool:
        """In an order that an index keeps: batch after batch."""
        return self.filters.by_position or self.is_first

    @cached_property
    def numbers(self) -> dict[int, int]:
        """How many cards of each batch of the collection fit."""
        return collections.numbers(self.batches, self.filters)

    def query(self, card: int | None = None) -> str:
        """The address of the queue, at a card."""
        parts = dict(parse_qsl(self.filters.query()))
        parts["queue"] = parts.pop("filter", "")
        parts |= {"since": str(int(self.since.timestamp()))} | ({} if card is None else {"card": str(card)})
        if self.collection:
            parts = {"collection": self.collection} | parts
        return urlencode({name: value for name, value in parts.items() if value or name == "queue"})

    @property
    def is_first(self) -> bool:
        return self.filters.sort == FIRST

    def key(self, card: Card) -> Key:
        return (self.places[card.batch_id], -card.severity if self.is_first else 0, card.position, card.pk)


@dataclass(frozen=True, slots=True)
class Frame:
    """A card in the film strip."""

    card: Card
    current: bool
    done: bool
    lease: Lease | None  # somebody else's

    @property
    def kind(self) -> str:
        if self.card.status == "failed":
            return "bad"
        if self.card.to_check:
            return "flag"
        return "done" if self.done or self.card.reviewed else "open"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card stands in the queue."""

    number: int  # from 1; 0: it is not in it
    total: int
    more: bool  # than `total`
    previous: Card | None
    next: Card | None
    frames: Sequence[Frame]
    left: int  # that nobody has settled yet


def place(queue: Queue, card: Card, user: User) -> Place:
    if not queue.in_batches:
        return _in_list(queue, card, user)
    here = queue.key(card)
    batch = queue.batches[here[0]]
    earlier, later = queue.batches[: here[0]], queue.batches[here[0] + 1 :]
    others = collections.numbers([*earlier, *later], queue.filters) if queue.parts else {}
    waiting = grid.narrowed(batch, queue.filters)
    done = _done(queue)
    before = _keys(queue, _beyond(queue, waiting, here, forwards=False), BEFORE, forwards=False)
    before += _further(queue, earlier[::-1], others, BEFORE - len(before), forwards=False)
    after = _keys(queue, _beyond(queue, waiting, here, forwards=True), AFTER, forwards=True)
    after += _further(queue, later, others, AFTER - len(after), forwards=True)
    done_before, done_after = [key for key in done if key < here], [key for key in done if key > here]
    inside = here in done or waiting.filter(pk=card.pk).exists()
    ahead = _capped(_beyond(queue, waiting, here, forwards=False))
    left = _length(batch, queue, waiting)
    more = left > MANY or ahead >= MANY
    left += sum(others.values())
    number = sum(others.get(one.pk, 0) for one in earlier) + ahead + len(done_before) + 1 if inside else 0
    order = [*sorted([*before, *done_before])[-BEFORE:], here, *sorted([*after, *done_after])[:AFTER]]
    frames = _frames(order, card, {key[-1] for key in done}, user)
    return Place(number, left + len(done), more, *_neighbours(order, here, frames), frames, left)


def _done(queue: Queue) -> list[Key]:
    """What has left the filter since: cards about which somebody said something."""
    filters = queue.filters
    if filters.name not in {"check", "read", "problems", "again", "empty"}:
        return []
    cards = grid.narrow(_cards(queue.batches), replace(filters, name="", cause="")).filter(looked_at__gte=queue.since)
    cards = cards.exclude(grid.FILTERS[filters.name])
    if filters.name == "check":
        cards = cards.filter(Q(severity__gt=0) | Q(reviewed=True))
    elif filters.name == "problems":
        cards = cards.filter(result__by_hand=True)
    return sorted(queue.key(card) for card in cards.order_by().only(*_OF_A_KEY)[:DONE])


def _cards(batches: Iterable[Batch]) -> QuerySet[Card]:
    return Card.objects.filter(batch__in=[batch.pk for batch in batches])


def _further(
    queue: Queue, batches: Sequence[Batch], numbers: Mapping[int, int], wanted: int, *, forwards: bool
) -> list[Key]:
    """So many cards of the batches that come next, in two queries at most: of the last one a part, the others whole."""
    touched, missing = [], wanted
    for batch in batches:
        if missing > 0 and numbers.get(batch.pk):
            touched.append(batch)
            missing -= numbers[batch.pk]
    if not touched:
        return []
    *between, last = touched
    found = _keys(queue, grid.narrowed(last, queue.filters), wanted, forwards=forwards)
    if between:
        fitting = grid.narrow(_cards(between), queue.filters).order_by()
        found += [queue.key(card) for card in fitting.only(*_OF_A_KEY)]
    found.sort()
    return found[:wanted] if forwards else found[-wanted:]


def _beyond(queue: Queue, cards: QuerySet[Card], here: Key, *, forwards: bool) -> QuerySet[Card]:
    """The cards before or after a place, which need not be theirs."""
    _place, turned, position, pk = here
    side = "gt" if forwards else "lt"
    nearer = Q(**{f"position__{side}": position}) | Q(position=position, **{f"pk__{side}": pk})
    if not queue.is_first:
        bound = "gte" if forwards else "lte"  # on its own, so that the index is used
        return cards.filter(nearer, **{f"position__{bound}": position})
    graver, bound = ("lt", "lte") if forwards else ("gt", "gte")
    further = Q(**{f"severity__{graver}": -turned}) | Q(nearer, severity=-turned)
    return cards.filter(further, **{f"severity__{bound}": -turned})


def _keys(queue: Queue, cards: QuerySet[Card], number: int, *, forwards: bool) -> list[Key]:
    order = ["-severity", "position", "pk"] if queue.is_first else ["position", "pk"]
    if not forwards:
        order = [name.removeprefix("-") if name.startswith("-") else f"-{name}" for name in order]
    return sorted(queue.key(card) for card in cards.order_by(*order).only(*_OF_A_KEY)[:number])


def _capped(cards: QuerySet[Card]) -> int:
    return cards.order_by()[:MANY].count()


def _length(batch: Batch, queue: Queue, waiting: QuerySet[Card]) -> int:
    """From the batch's counters where they know it."""
    filters = queue.filters
    return grid.counts(batch)[filters.name] if filters.counted else _capped(waiting)


def _frames(order: Sequence[Key], current: Card, done: Collection[int], user: User) -> list[Frame]:
    ids = [key[-1] for key in order]
    cards = Card.objects.order_by().in_bulk(ids)
    held = leases(ids, user)
    return [Frame(cards[pk], pk == current.pk, pk in done, held.get(pk)) for pk in ids if pk in cards]


def leases(ids: Sequence[int], user: User) -> dict[int, Lease]:
    """Of these cards those that somebody else has before them."""
    found = Lease.objects.filter(card__in=ids, until__gt=timezone.now()).exclude(user=user).select_related("user")
    return {lease.card_id: lease for lease in found}


def _neighbours(order: Sequence[Key], here: Key, frames: Sequence[Frame]) -> tuple[Card | None, Card | None]:
    """The next one is free, if any is; cards that are done are not passed over: one may look at them."""
    at = order.index(here)
    by_id = {frame.card.pk: frame for frame in frames}
    before, after = ([by_id[key[-1]] for key in part if key[-1] in by_id] for part in (order[:at], order[at + 1 :]))
    following = next((frame for frame in after if frame.lease is None), next(iter(after), None))
    return (before[-1].card if before else None), (following.card if following else None)


def _by_value(order: sorting.Sorted, card: Card, user: User) -> Place:
    before, after = order.near(card, BEFORE, AFTER)
    inside = order.cards.filter(pk=card.pk).exists()
    ahead = order.ahead(card, MANY)
    near = [(0, 0, n, pk) for n, pk in enumerate([*before, card.pk, *after])]
    here = near[len(before)]
    frames = _frames(near, card, set(), user)
    total, number = order.count, ahead + 1 if inside else 0
    return Place(number, total, ahead >= MANY, *_neighbours(near, here, frames), frames, total)


def _in_list(queue: Queue, card: Card, user: User) -> Place:
    """In an order of the grid's that no index of its own keeps."""
    order = grid.by_value(queue.whole, queue.filters) if queue.parts is None else None
    if order is not None:
        return _by_value(order, card, user)
    ids = _ids(queue, None)
    at = ids.index(card.pk) if card.pk in ids else -1
    near = ids[max(0, at - BEFORE) : at + 1 + AFTER] if at >= 0 else [card.pk, *ids[:AFTER]]
    keys = [(0, 0, n, pk) for n, pk in enumerate(near)]
    here = next(key for key in keys if key[-1] == card.pk)
    frames = _frames(keys, card, set(), user)
    return Place(at + 1, len(ids), False, *_neighbours(keys, here, frames), frames, len(ids))


def _ids(queue: Queue, end: int | None) -> list[int]:
    """The first cards of a queue in an order of the grid's."""
    if queue.parts is None:
        return grid.ids(queue.whole, queue.filters, 0, end)
    every = sum(queue.numbers.values())
    return collections.ids_of(queue.parts, queue.filters, queue.numbers, 0, every if end is None else min(end, every))


def entrance(queue: Queue, user: User) -> Card | None:
    """The first card of the queue that nobody else has before them."""
    if not queue.in_batches:
        ids = _ids(queue, ENTRIES)
    elif queue.parts is not None:
        ids = [key[-1] for key in _further(queue, queue.parts, queue.numbers, ENTRIES, forwards=True)]
    else:
        ids = [key[-1] for key in _keys(queue, grid.narrowed(queue.whole, queue.filters), ENTRIES, forwards=True)]
    held = leases(ids, user)
    free = [*(pk for pk in ids if pk not in held), *ids][:1]
    return Card.objects.filter(pk__in=free).first()
