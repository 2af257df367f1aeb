"""What every export reads: each card of a batch with its result, whatever its status, a page at a time."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from batches import progress
from batches.exports import options as choices
from batches.models import Batch, Card
from ocr.fields import FieldSpec

PAGE = 500


def cards(batch: Batch, options: choices.Options) -> Iterator[Card]:
    """In their order, by keyset: page 1,000 costs what page 1 costs, and a running batch disturbs nothing."""
    rows = _ordered(batch, options)
    after: Card | None = None
    while True:
        page = rows if after is None else rows.filter(_behind(after))
        found = list(page[:PAGE])
        yield from found
        if len(found) < PAGE:
            return
        after = found[-1]


def first(batch: Batch, options: choices.Options, number: int) -> Sequence[Card]:
    return list(_ordered(batch, options)[:number])


def _ordered(batch: Batch, options: choices.Options) -> QuerySet[Card]:
    wanted = choices.of_cards(batch, options)
    return wanted.select_related("result__template_version", "reviewed_by", "back").order_by("position", "pk")


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
    held: str | None = card.result.standing()[entry - 1]["values"].get(key)
    return held


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
    stored = _stored(card, key, entry)
    text: str | None = stored.get("verbatim") if now == stored.get("value") else now
    return text


def machine(card: Card, key: str, entry: int = 1) -> str | None:
    """What the machine read first, whatever a person made of it."""
    return _stored(card, key, entry).get("value")


def state(card: Card, key: str, entry: int = 1) -> str:
    """value, absent, unreadable, …: as the machine found it."""
    return str(_stored(card, key, entry).get("state", ""))


def _stored(card: Card, key: str, entry: int) -> dict[str, Any]:
    if card.result is None:
        return {}
    return card.result.machine_of(entry).get(key) or {}


def checked_by(card: Card) -> str:
    """Who has said that the card is right; empty where nobody has."""
    return card.reviewed_by.username if card.reviewed and card.reviewed_by else ""
