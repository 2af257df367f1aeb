"""A new reading of a card that has one: compared field by field, never put in its place.

What holds stays, whoever it is from; a person decides between the two. Fields alone that the card did not have yet
are added to what holds.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

from batches.drain.reading import searchable
from batches.models import Card, CardResult
from batches.states import ResultState
from ocr import checking, coercion
from ocr.fields import FieldSpec

UNSEEN = "unseen"  # beside an added value that deserves a look, until somebody has said that the card is right


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a new reading says beside the one that holds."""

    differing: tuple[str, ...]
    added: Mapping[str, Any]  # as CardResult.fields holds them
    other_entries: bool = False  # of several on the card, those after the first

    @property
    def differs(self) -> bool:
        return bool(self.differing) or self.other_entries

    @property
    def state(self) -> ResultState:
        return ResultState.CANDIDATE if self.differs else ResultState.EQUAL


def compare(holds: CardResult, new: CardResult, specs: Sequence[FieldSpec], version: int | None) -> Verdict:
    """`specs` are the fields that were asked for; `version` is the template's, with which added ones are marked."""
    differing, added = [], {}
    for spec in specs:
        stored = new.fields.get(spec.key)
        if stored is None:
            continue
        if has(holds, spec.key):
            if not coercion.same(spec, holds.values.get(spec.key), stored["value"]):
                differing.append(spec.key)
        else:
            added[spec.key] = stored | ({} if version is None else {"version": version})
    return Verdict(tuple(differing), added, _other_entries(holds, new, specs))


def _other_entries(holds: CardResult, new: CardResult, specs: Sequence[FieldSpec]) -> bool:
    """Where both found several entries: whether one after the first differs, or there are more of them."""
    if holds.entries is None or new.entries is None:
        return False
    keys = [spec.key for spec in specs]
    here, there = ([[entry.get(key) for key in keys] for entry in one.values_of_entries()[1:]] for one in (holds, new))
    return here != there


def has(result: CardResult, key: str) -> bool:
    """Whether the card was ever asked for a field, or a person has filled it in."""
    return key in result.fields or result.values.get(key) is not None or (result.by_hand and key in result.values)


def add(holds: CardResult, verdict: Verdict, doubted: Collection[str] = ()) -> None:
    """Put fields that the card did not have into what holds; saved by the caller."""
    marked = {key: stored | ({UNSEEN: True} if key in doubted else {}) for key, stored in verdict.added.items()}
    holds.fields |= marked
    holds.values |= {key: stored["value"] for key, stored in verdict.added.items()}
    sure = [stored["confidence"] for stored in verdict.added.values() if stored["confidence"] is not None]
    holds.confidence = min([*sure, *([] if holds.confidence is None else [holds.confidence])], default=None)
    holds.search = searchable(holds)


def doubted(verdict: Verdict, specs: Sequence[FieldSpec], *, every_value: bool) -> list[str]:
    """What was added and deserves a look; nobody can have reviewed it."""
    added = [spec for spec in specs if spec.key in verdict.added]
    return [spec.key for spec in added if every_value or checking.doubts(spec, verdict.added[spec.key])]


def unseen(holds: CardResult) -> list[str]:
    """Fields that were added and deserve a look, though the card may have been reviewed before."""
    return [key for key, stored in holds.fields.items() if UNSEEN in stored]


Marks = dict[str, list[str]]  # of each reading, by its key as JSON has it, the fields that are unseen


def marks(cards: Collection[Card]) -> dict[int, Marks]:
    """What is unseen of these cards, those left out of which nothing is."""
    found: dict[int, Marks] = defaultdict(dict)
    for reading in _marked(cards):
        found[reading.card_id][str(reading.pk)] = unseen(reading)
    return dict(found)


def seen(cards: Collection[Card]) -> None:
    """Somebody has said that the cards are right; saved here, where that says anything new."""
    for reading in _marked(cards):
        reading.fields = {key: _without(stored) for key, stored in reading.fields.items()}
        reading.save(update_fields=["fields"])


def unsee(found: Mapping[str, Sequence[str]]) -> None:
    """Nobody has said it after all; saved here."""
    for reading in CardResult.objects.filter(pk__in=[int(pk) for pk in found]):
        again = {
            key: stored | {UNSEEN: True} for key, stored in reading.fields.items() if key in found[str(reading.pk)]
        }
        reading.fields |= again
        reading.save(update_fields=["fields"])


def _marked(cards: Collection[Card]) -> list[CardResult]:
    stored = CardResult.objects.filter(card__in=[card.pk for card in cards])
    likely = stored.annotate(text=Cast("fields", TextField())).filter(text__contains=f'"{UNSEEN}"')
    return [reading for reading in likely if unseen(reading)]


def _without(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in stored.items() if name != UNSEEN}
