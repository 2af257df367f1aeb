"""Batches and cards by a piece of text, over everything that a person may see."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from batches.models import Batch, Card
from batches.queries import words
from batches.queries.results import Row, rows_of
from cardocr_site.accounts.models import User

SHORTEST = 2
BATCHES, CARDS = 20, 50


@dataclass(frozen=True, slots=True)
class Hit:
    """A card, and of its values those in which the text stands; none where it stands in its file's name or its text."""

    row: Row
    batch: Batch

    def values(self, text: str) -> list[tuple[str, str]]:
        return [(cell.spec.label, cell.value) for cell in self.row.cells if words.stands_in(cell.value, text)]


@dataclass(frozen=True, slots=True)
class Found:
    batches: Sequence[Batch]
    hits: Sequence[tuple[Hit, list[tuple[str, str]]]]
    more: bool  # cards than are shown

    def __bool__(self) -> bool:
        return bool(self.batches or self.hits)


def look(user: User, text: str, page: int = 1) -> Found:
    """The newest first; a fixed number of queries."""
    visible = Batch.objects.visible_to(user)
    named = Q(name__icontains=text) | Q(collection__icontains=text) | Q(tags__name__icontains=text)
    batches = (
        list(visible.filter(named).select_related("owner").distinct().order_by("-pk")[:BATCHES]) if page == 1 else []
    )
    cards = Card.objects.filter(batch__in=visible).filter(words.matching(text)).exclude(batch__status="draft")
    start = (page - 1) * CARDS
    found = list(
        cards.select_related("result", "batch").order_by("-batch_id", "position", "pk")[start : start + CARDS + 1]
    )
    shown = found[:CARDS]
    specs = {card.batch_id: card.batch.specs() for card in shown}
    hits = [Hit(row, card.batch) for row, card in zip(rows_of(specs, shown), shown, strict=True)]
    return Found(batches, [(hit, hit.values(text)) for hit in hits], len(found) > CARDS)
