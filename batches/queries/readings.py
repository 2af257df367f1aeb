"""The readings of a card beside the one that holds: side by side with it, or as a list."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from batches.models import Batch, Card, CardResult
from batches.queries.results import percent
from batches.states import ResultState
from ocr import coercion
from ocr.fields import FieldSpec

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Pair:
    """One field in both."""

    spec: FieldSpec
    here: str
    there: str
    differs: bool
    confidence: str = ""


@dataclass(frozen=True, slots=True)
class Other:
    result: CardResult
    word: str
    version: int | None
    pairs: tuple[Pair, ...]

    @property
    def differing(self) -> int:
        return sum(1 for pair in self.pairs if pair.differs)

    @property
    def is_open(self) -> bool:
        return self.result.state == ResultState.CANDIDATE

    @property
    def can_hold(self) -> bool:
        return self.result.state in {ResultState.CANDIDATE, ResultState.REJECTED, ResultState.EARLIER}


@dataclass(frozen=True, slots=True)
class Readings:
    """Open ones wait for a person. `source` is the card in another batch that the result was taken over from."""

    open: list[Other]
    others: list[Other]
    source: Card | None


def of(batch: Batch, card: Card) -> Readings:
    """A few queries. The newest reading first."""
    if card.result is None:
        return Readings([], [], None)
    results = card.results.exclude(pk=card.result.pk).select_related("template_version", "rereading__created_by")
    specs = batch.specs()
    others = [_other(card.result, result, specs) for result in results.order_by("-pk")[:SHOWN]]
    open_ = [other for other in others if other.is_open] if card.is_read else []
    return Readings(open_, [other for other in others if other not in open_], _source(card.result))


def _other(holds: CardResult, other: CardResult, specs: Sequence[FieldSpec]) -> Other:
    pairs = tuple(_pair(holds, other, spec) for spec in specs if spec.key in other.values)
    words = {
        ResultState.CANDIDATE: _("to be decided"),
        ResultState.EQUAL: _("says the same"),
        ResultState.ACCEPTED: _("partly taken"),
        ResultState.REJECTED: _("not taken"),
        ResultState.EARLIER: _("replaced"),
        ResultState.CURRENT: _("earlier"),
        ResultState.TRIED: _("tried before the start"),
    }
    version = other.template_version.number if other.template_version else None
    return Other(other, words[ResultState(other.state)], version, pairs)


def _pair(holds: CardResult, other: CardResult, spec: FieldSpec) -> Pair:
    here, there = holds.values.get(spec.key), other.values.get(spec.key)
    confidence = percent((other.fields.get(spec.key) or {}).get("confidence"))
    return Pair(spec, here or "", there or "", not coercion.same(spec, here, there), confidence)


def _source(result: CardResult) -> Card | None:
    if result.taken_from_id is None:
        return None
    return Card.objects.select_related("batch").filter(results=result.taken_from_id).first()
