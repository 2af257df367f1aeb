"""Batches and cards by a piece of text, over everything that a person may see."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext as _

from batches.models import Batch, Card, CardResult, Note
from batches.queries import words
from batches.queries.results import Row, rows_of
from batches.states import CardStatus
from cardocr_site.accounts.models import User
from ocr.fields import FieldSpec

SHORTEST = 2
BATCHES, CARDS = 20, 50


@dataclass(frozen=True, slots=True)
class Hit:
    """A card, and in what the text stands: its values, or what is told of it; in nothing where it stands in its file's
    name or its text."""

    row: Row
    batch: Batch
    told: Sequence[tuple[str, str]]

    def values(self, text: str) -> list[tuple[str, str]]:
        said = [*((cell.spec.label, cell.value) for cell in self.row.cells), *self.told]
        return [(label, value) for label, value in dict.fromkeys(said) if words.stands_in(value, text)]


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
    told = _told(specs, shown)
    hits = [Hit(row, card.batch, told[card.pk]) for row, card in zip(rows_of(specs, shown), shown, strict=True)]
    return Found(batches, [(hit, hit.values(text)) for hit in hits], len(found) > CARDS)


def _told(specs: Mapping[int, Sequence[FieldSpec]], cards: Sequence[Card]) -> defaultdict[int, list[tuple[str, str]]]:
    """Of each card: its open notes, why it was not read, and what had been read of it before that."""
    told = defaultdict[int, list[tuple[str, str]]](list)
    for note in Note.objects.filter(card__in=[card.pk for card in cards], closed_at=None):
        told[note.card_id].append((_("Note"), note.text))
    failed = {card.pk: card for card in cards if card.status == CardStatus.FAILED}
    for card in failed.values():
        told[card.pk].append((_("Not read"), card.error_message))
    for result in CardResult.objects.filter(card__in=failed):
        card = failed[result.card_id]
        told[card.pk] += [
            (_("%(field)s, earlier") % {"field": spec.label}, entry.get(spec.key) or "")
            for entry in result.values_of_entries()
            for spec in specs[card.batch_id]
        ]
    return told
