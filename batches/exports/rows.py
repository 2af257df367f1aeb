"""What every export reads: each card of a batch with its result, whatever its status, a page at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import Q

from batches import progress
from batches.models import Batch, Card, CardResult
from ocr.fields import FieldSpec

PAGE = 500

Form = Literal["value", "verbatim", "both"]


@dataclass(frozen=True, slots=True)
class Options:
    """`form`: the recorded value, the text as on the card, or both. `checked`: who has checked the card stands last."""

    form: Form = "value"
    delimiter: str = ","
    bom: bool = False
    checked: bool = False


def cards(batch: Batch) -> Iterator[Card]:
    """In their order, by keyset: page 1,000 costs what page 1 costs, and a running batch disturbs nothing."""
    rows = batch.cards.select_related("result__template_version", "reviewed_by", "back").order_by("position", "pk")
    after: Card | None = None
    while True:
        page = rows if after is None else rows.filter(_behind(after))
        found = list(page[:PAGE])
        yield from found
        if len(found) < PAGE:
            return
        after = found[-1]


def _behind(card: Card) -> Q:
    return Q(position__gt=card.position) | Q(position=card.position, pk__gt=card.pk)


def error_text(card: Card) -> str:
    if not card.error:
        return ""
    sentence = progress.error_sentence(card.error)
    return f"{sentence} ({card.error_message})" if card.error_message else sentence


def entries(card: Card) -> list[int]:
    """The numbers of the entries that were found on a card, from 1."""
    return list(range(1, len(card.result.values_of_entries()) + 1)) if card.result else []


def value(card: Card, key: str, entry: int = 1) -> str | None:
    """The value that holds now: a person's correction, or the machine's."""
    if card.result is None:
        return None
    return card.result.values.get(key) if entry == 1 else _further(card.result, key, entry).get("value")


NOT_ASKED: dict[str, Any] = {
    "verbatim": None,
    "value": None,
    "state": "not_asked",
    "confidence": None,
    "regions": [],
    "issues": [],
}


def fields(card: Card, specs: Sequence[FieldSpec]) -> dict[str, Any]:
    """The machine's reading, with the fields that the card was never asked for."""
    if card.result is None:
        return {}
    never = {spec.key: NOT_ASKED for spec in specs if spec.key not in card.result.fields}
    read: dict[str, Any] = card.result.fields
    return read | ({} if card.result.by_hand else never)


def verbatim(card: Card, key: str, entry: int = 1) -> str | None:
    """The text as on the card: the machine's, or the person's where a person has corrected it."""
    if card.result is None:
        return None
    now = value(card, key, entry)
    stored = card.result.fields.get(key) or {} if entry == 1 else _further(card.result, key, entry)
    text: str | None = stored.get("verbatim") if now == stored.get("value") else now
    return text


def _further(result: CardResult, key: str, entry: int) -> dict[str, Any]:
    """A field of the second entry or one behind it, as the machine read it."""
    return (result.entries or [])[entry - 1].get(key) or {}


def checked_by(card: Card) -> str:
    """Who has said that the card is right; empty where nobody has."""
    return card.reviewed_by.username if card.reviewed and card.reviewed_by else ""
