"""The cards that one goes through in the review: those of the filter one came from, and those that are done.

A card that is done leaves the filter. It stays in the queue of whoever began before (`since`), so that "4 of 37" counts
on and the film strip shows what was done. Whatever its length, a place in it costs the same few queries.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.db.models import Q, QuerySet
from django.utils import timezone

from batches.models import Batch, Card, Lease
from batches.queries import grid, sorting
from batches.queries.asked import whole_number
from cardocr_site.accounts.models import User

FIRST = "-severity"  # what is gravest comes first
BEFORE, AFTER = 6, 12  # cards of the film strip around the one that is open
MANY = 10_000  # beyond, it is only said that there are more
DONE = 2_000

Key = tuple[int, int, int]  # severity turned round, position, pk


@dataclass(frozen=True, slots=True)
class Queue:
    filters: grid.Filters
    since: datetime

    @classmethod
    def from_query(cls, query: Mapping[str, Any], batch: Batch) -> "Queue":
        """The address of the grid, with `queue` for its filter; without either, what is to check."""
        name = query.get("queue", query.get("filter"))
        asked = {key: query.get(key, "") for key in query}
        if name is None and "card" not in query:
            name, asked["sort"] = "check", query.get("sort", FIRST)
        begun = whole_number(query.get("since"), digits=10)
        filters = grid.Filters.from_query({**asked, "filter": name or ""}, batch)
        return cls(filters, timezone.now() if begun is None else datetime.fromtimestamp(begun, UTC))

    @classmethod
    def first(cls) -> "Queue":
        """What is to check of a batch, from now on."""
        return cls(grid.Filters(name="check", sort=FIRST), timezone.now())

    def query(self, card: int | None = None) -> str:
        """The address of the queue, at a card."""
        parts = dict(parse_qsl(self.filters.query()))
        parts["queue"] = parts.pop("filter", "")
        parts |= {"since": str(int(self.since.timestamp()))} | ({} if card is None else {"card": str(card)})
        return urlencode({name: value for name, value in parts.items() if value or name == "queue"})

    @property
    def is_first(self) -> bool:
        return self.filters.sort == FIRST

    def key(self, card: Card) -> Key:
        return (-card.severity if self.is_first else 0, card.position, card.pk)


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
    previous: int | None
    next: int | None
    frames: Sequence[Frame]
    left: int  # that nobody has settled yet


def place(batch: Batch, queue: Queue, card: Card, user: User) -> Place:
    if not (queue.filters.by_position or queue.is_first):
        return _in_list(batch, queue, card, user)
    here = queue.key(card)
    waiting = grid.narrowed(batch, queue.filters)
    done = _done(batch, queue)
    before = _keys(queue, _beyond(queue, waiting, here, forwards=False), BEFORE, forwards=False)
    after = _keys(queue, _beyond(queue, waiting, here, forwards=True), AFTER, forwards=True)
    done_before, done_after = [key for key in done if key < here], [key for key in done if key > here]
    inside = here in done or waiting.filter(pk=card.pk).exists()
    ahead = _capped(_beyond(queue, waiting, here, forwards=False))
    left = _length(batch, queue, waiting)
    number = ahead + len(done_before) + 1 if inside else 0
    order = [*sorted([*before, *done_before])[-BEFORE:], here, *sorted([*after, *done_after])[:AFTER]]
    frames = _frames(batch, order, card, {key[2] for key in done}, user)
    more = left > MANY or ahead >= MANY
    return Place(number, left + len(done), more, *_neighbours(order, here, frames), frames, left)


def _done(batch: Batch, queue: Queue) -> list[Key]:
    """What has left the filter since: cards about which somebody said something."""
    filters = queue.filters
    if filters.name not in {"check", "read", "problems", "again", "empty"}:
        return []
    begun = queue.since
    cards = grid.narrowed(batch, replace(filters, name="", cause="")).filter(looked_at__gte=begun)
    cards = cards.exclude(grid.FILTERS[filters.name])
    if filters.name == "check":
        cards = cards.filter(Q(severity__gt=0) | Q(reviewed=True))
    elif filters.name == "problems":
        cards = cards.filter(result__by_hand=True)
    return sorted(queue.key(card) for card in cards.only("batch", "severity", "position")[:DONE])


def _beyond(queue: Queue, cards: QuerySet[Card], here: Key, *, forwards: bool) -> QuerySet[Card]:
    """The cards before or after a place, which need not be theirs."""
    turned, position, pk = here
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
    return sorted(queue.key(card) for card in cards.order_by(*order).only("batch", "severity", "position")[:number])


def _capped(cards: QuerySet[Card]) -> int:
    return cards.order_by()[:MANY].count()


def _length(batch: Batch, queue: Queue, waiting: QuerySet[Card]) -> int:
    """From the batch's counters where they know it."""
    filters = queue.filters
    return grid.counts(batch)[filters.name] if filters.counted else _capped(waiting)


def _frames(batch: Batch, order: Sequence[Key], current: Card, done: set[int], user: User) -> list[Frame]:
    ids = [key[2] for key in order]
    cards = batch.cards.order_by().in_bulk(ids)
    held = leases(ids, user)
    return [Frame(cards[pk], pk == current.pk, pk in done, held.get(pk)) for pk in ids if pk in cards]


def leases(ids: Sequence[int], user: User) -> dict[int, Lease]:
    """Of these cards those that somebody else has before them."""
    found = Lease.objects.filter(card__in=ids, until__gt=timezone.now()).exclude(user=user).select_related("user")
    return {lease.card_id: lease for lease in found}


def _neighbours(order: Sequence[Key], here: Key, frames: Sequence[Frame]) -> tuple[int | None, int | None]:
    """The next one is free, if any is; cards that are done are not passed over: one may look at them."""
    ids = [key[2] for key in order]
    at = order.index(here)
    free = [frame.card.pk for frame in frames if frame.lease is None]
    following = ids[at + 1 :]
    return (ids[at - 1] if at else None), next((pk for pk in following if pk in free), next(iter(following), None))


def _by_value(batch: Batch, queue: Queue, order: sorting.Sorted, card: Card, user: User) -> Place:
    before, after = order.near(card, BEFORE, AFTER)
    inside = order.cards.filter(pk=card.pk).exists()
    ahead = order.ahead(card, MANY)
    near = [(0, n, pk) for n, pk in enumerate([*before, card.pk, *after])]
    here = near[len(before)]
    frames = _frames(batch, near, card, set(), user)
    total, number = order.count, ahead + 1 if inside else 0
    return Place(number, total, ahead >= MANY, *_neighbours(near, here, frames), frames, total)


def _in_list(batch: Batch, queue: Queue, card: Card, user: User) -> Place:
    """In an order of the grid's that no index of its own keeps."""
    order = grid.by_value(batch, queue.filters)
    if order is not None:
        return _by_value(batch, queue, order, card, user)
    ids = grid.ids(batch, queue.filters, 0, None)
    at = ids.index(card.pk) if card.pk in ids else -1
    near = ids[max(0, at - BEFORE) : at + 1 + AFTER] if at >= 0 else [card.pk, *ids[:AFTER]]
    keys = [(0, n, pk) for n, pk in enumerate(near)]
    here = next(key for key in keys if key[2] == card.pk)
    frames = _frames(batch, keys, card, set(), user)
    return Place(at + 1, len(ids), False, *_neighbours(keys, here, frames), frames, len(ids))


def entrance(batch: Batch, queue: Queue, user: User) -> int | None:
    """The first card of the queue that nobody else has before them."""
    if queue.is_first:
        found = grid.narrowed(batch, queue.filters).order_by("-severity", "position", "pk")
        ids = list(found.values_list("pk", flat=True)[:50])
    else:
        ids = grid.ids(batch, queue.filters, 0, 50)
    held = leases(ids, user)
    return next((pk for pk in ids if pk not in held), ids[0] if ids else None)
