"""A collection is what the batches of one name have together: it is seen as far as they are.

It is handled as one large batch that is never stored: its counters are those of the started ones added up, its fields
theirs united by key.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum

from batches.models import DEFAULT_OPTIONS, Batch, Card
from batches.queries import grid, lists, merging, results
from batches.queries.asked import whole_number
from batches.states import BatchStatus
from ocr.fields import FieldSpec

COUNTERS = (
    *("total", "pending", "processing", "completed", "failed", "skipped", "blank", "not_chosen", "cancelled"),
    *("to_check", "nothing_found", "reviewed", "check_again", "sampled"),
)
_SUMS = ("total", "not_chosen", "completed", "failed", "skipped", "cancelled", "to_check", "reviewed")


@dataclass(frozen=True, slots=True)
class Shelf:
    """A collection in the list of them."""

    name: str
    batches: int
    drafts: int
    changed_at: datetime
    whole: Batch
    row: lists.Row  # its numbers and its bar


def shelves(user: Any, text: str = "") -> list[Shelf]:
    """Those of the batches that this person may see, in one query."""
    batches = Batch.objects.visible_to(user).exclude(collection="")
    if text:
        batches = batches.filter(collection__icontains=text)
    sums: dict[str, Any] = {name: Sum(name, filter=~Q(status=BatchStatus.DRAFT), default=0) for name in _SUMS}
    drafts = Count("pk", filter=Q(status=BatchStatus.DRAFT))
    grouped = batches.order_by().values("collection")
    found = grouped.annotate(n=Count("pk"), drafts=drafts, at=Max("changed_at"), **sums)
    made = []
    one: Any  # the type checker does not know the sums
    for one in found:
        whole = Batch(name=one["collection"], status=BatchStatus.COMPLETED, **{name: one[name] for name in _SUMS})
        made.append(Shelf(one["collection"], one["n"], one["drafts"], one["at"], whole, lists.row(whole)))
    return sorted(made, key=lambda shelf: _natural(shelf.name))


def _natural(name: str) -> list[tuple[int, int, str]]:
    """“Drawer 2” before “Drawer 10”."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]+", name.casefold())
    return [(0, int(part), "") if part.isdecimal() and len(part) < 19 else (1, 0, part) for part in parts]


def batches_of(user: Any, name: str) -> list[Batch]:
    """In their natural order; none: this person knows of no such collection."""
    batches = list(Batch.objects.visible_to(user).filter(collection=name).exclude(collection=""))
    return sorted(batches, key=lambda batch: (_natural(batch.name), batch.pk))


def started(batches: Iterable[Batch]) -> list[Batch]:
    return [batch for batch in batches if not batch.is_draft]


def whole(name: str, batches: Sequence[Batch]) -> Batch:
    """All of them as one batch, that is never stored."""
    options = {option: any(batch.option(option) for batch in batches) for option in DEFAULT_OPTIONS}
    return Batch(
        name=name,
        uid="",
        collection=name,
        status=BatchStatus.COMPLETED,
        fields=[spec.to_dict() for spec in fields(batches)],
        options=options,
        **{counter: sum(getattr(batch, counter) for batch in batches) for counter in COUNTERS},
    )


def fields(batches: Iterable[Batch]) -> list[FieldSpec]:
    """United by key; label and place are those of the newest batch that has it."""
    found: dict[str, FieldSpec] = {}
    for batch in sorted(batches, key=lambda one: -one.pk):
        for spec in batch.specs():
            found.setdefault(spec.key, spec)
    return list(found.values())


def numbers(batches: Sequence[Batch], filters: grid.Filters) -> dict[int, int]:
    """How many cards of each batch fit: by its own counters, or in one query for all."""
    if filters.counted:
        return {batch.pk: grid.counts(batch)[filters.name] for batch in batches}
    fitting = narrowed(batches, filters).order_by().values("batch").annotate(n=Count("pk"))
    return dict(fitting.values_list("batch", "n"))


def narrowed(batches: Iterable[Batch], filters: grid.Filters) -> QuerySet[Card]:
    """A batch that does not have the field in which a text is looked for has none of them."""
    field = filters.field if filters.text else ""
    having = [batch.pk for batch in batches if not field or field in {spec.key for spec in batch.specs()}]
    return grid.narrow(Card.objects.filter(batch__in=having), filters)


@dataclass(frozen=True, slots=True)
class Row:
    batch: Batch
    row: results.Row


def page(batches: Sequence[Batch], filters: grid.Filters, counted: dict[int, int], wanted: str | None) -> grid.Sheet:
    """A page of the cards; the last one where there are fewer. `counted`: their numbers."""
    count = sum(counted.values())
    pages = max(1, -(-count // filters.per))
    number = min(whole_number(wanted, digits=8) or 1, pages)
    start = (number - 1) * filters.per
    ids = ids_of(batches, filters, counted, start, start + filters.per)
    found = Card.objects.select_related("result", "reviewed_by").in_bulk(ids)
    return grid.Sheet([found[pk] for pk in ids if pk in found], number, count, filters.per)


def ids_of(
    batches: Sequence[Batch], filters: grid.Filters, counted: Mapping[int, int], start: int, end: int
) -> list[int]:
    """The keys of the cards from one place to another, in their order; `counted`: as `numbers` gives it."""
    if filters.sort in {"position", "-position"}:
        return _ids(batches, counted, filters, start, end)
    fitting = [batch for batch in batches if counted.get(batch.pk)]
    return merging.Merged(fitting, filters, sum(counted.values())).ids(start, end) if fitting else []


def _ids(
    batches: Sequence[Batch], counted: Mapping[int, int], filters: grid.Filters, start: int, end: int
) -> list[int]:
    """Batch after batch, in three queries at most: of the first and the last batch of the page a part, those between
    them as a whole.
    """
    batches = batches[::-1] if filters.sort.startswith("-") else batches
    begins, upto = {}, 0
    for batch in batches:
        begins[batch.pk] = upto
        upto += counted.get(batch.pk, 0)
    touched = [
        batch
        for batch in batches
        if counted.get(batch.pk) and begins[batch.pk] < end and begins[batch.pk] + counted[batch.pk] > start
    ]
    if not touched:
        return []

    def part(batch: Batch) -> list[int]:
        return grid.ids(batch, filters, max(0, start - begins[batch.pk]), end - begins[batch.pk])

    between = touched[1:-1]
    inside: dict[int, list[int]] = {batch.pk: [] for batch in between}
    if between:
        fitting = narrowed(between, filters).order_by(*grid.order_of(filters.sort))
        for batch_id, pk in fitting.values_list("batch", "pk"):
            inside[batch_id].append(pk)
    ids = part(touched[0])
    for batch in between:
        ids += inside[batch.pk]
    return ids + (part(touched[-1]) if len(touched) > 1 else [])


def rows(batches: Sequence[Batch], cards: Sequence[Card]) -> list[Row]:
    by_id = {batch.pk: batch for batch in batches}
    wanted = {card.batch_id for card in cards}
    specs = {pk: by_id[pk].specs() for pk in wanted}
    return [Row(by_id[row.card.batch_id], row) for row in results.rows_of(specs, cards)]


Chosen = tuple[Batch, grid.Filters]  # cards of one of its batches


def chosen(batches: Sequence[Batch], filters: grid.Filters) -> list[Chosen]:
    """What is meant of each of these batches, in one query; those of which nothing is meant are left out."""
    if not filters.cards:
        there = numbers(batches, filters)
        return [(batch, filters) for batch in batches if there.get(batch.pk)]
    found: dict[int, list[int]] = {}
    named = narrowed(batches, filters).order_by("position", "pk")
    for batch_id, pk in named.values_list("batch", "pk"):
        found.setdefault(batch_id, []).append(pk)
    return [(batch, replace(filters, cards=tuple(found[batch.pk]))) for batch in batches if batch.pk in found]
