"""What was changed in the cards that were drawn at random, and what that says of those that were not."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, comb

from batches.models import Batch, CardResult, DrawnCard
from batches.states import CardStatus

Values = Mapping[str, str | None]

CERTAIN = 0.95
STEPS = 40  # of a bisection: far more exact than a per cent


@dataclass(frozen=True, slots=True)
class Report:
    """`cards` and `fields` count what people changed in the `seen` ones of the `drawn`."""

    drawn: int
    seen: int
    cards: int
    fields: int
    values: int  # fields of the cards that were seen
    by_field: list[tuple[str, int]]  # label and number, the most frequent first
    lowest: int | None  # per cent of wrong cards, with 95 % certainty; None until all were seen
    highest: int | None

    @property
    def left(self) -> int:
        return self.drawn - self.seen

    @property
    def per_cent(self) -> int:
        return round(100 * self.cards / self.seen) if self.seen else 0

    @property
    def fields_per_cent(self) -> float:
        return 100 * self.fields / self.values if self.values else 0.0


def report(batch: Batch) -> Report | None:
    """None where none was drawn. One query, for at most a few hundred cards."""
    if not batch.sampled:
        return None
    drawn = list(DrawnCard.objects.filter(sample__batch=batch).select_related("card__result"))
    specs = batch.specs()
    wrong: Counter[str] = Counter()
    seen = cards = values = 0
    for one in drawn:
        card = one.card
        unreadable = card.status == CardStatus.FAILED  # a person said so: it was read when it was drawn
        if not unreadable and not (card.reviewed and not card.to_check and card.result):
            continue
        pairs = [(one.values, {})] if unreadable or card.result is None else _entries(one.values, card.result)
        changed = [
            spec.label
            for spec in specs
            for before, now in pairs
            if not unreadable and (before.get(spec.key) or "") != (now.get(spec.key) or "")
        ]
        wrong.update(changed)
        seen, cards, values = seen + 1, cards + bool(changed or unreadable), values + len(pairs) * len(specs)
    whole = seen == len(drawn) and bool(seen)
    lowest, highest = limits(cards, seen) if whole else (None, None)
    return Report(len(drawn), seen, cards, sum(wrong.values()), values, wrong.most_common(), lowest, highest)


def _entries(drawn: Values, result: CardResult) -> list[tuple[Values, Values]]:
    """What was read and what holds, of each entry; nothing on one side where a person added it or took it out."""
    read = [{key: field.get("value") for key, field in entry.items()} for entry in result.entries or ()]
    pairs = []
    for place, one in enumerate(result.arrangement()):
        before = drawn if place == 0 else {} if one["machine"] is None else read[one["machine"]]
        pairs.append((before, {} if one["out"] else one["values"]))
    return pairs


def limits(wrong: int, seen: int) -> tuple[int, int]:
    """Between what per cent and what per cent of all cards are wrong (Clopper and Pearson), rounded to the worse.

    Where none was wrong the certainty lies on one side alone.
    """
    tail = 1 - CERTAIN if wrong in {0, seen} else (1 - CERTAIN) / 2
    highest = 1.0 if wrong == seen else _share(lambda share: _at_most(wrong, seen, share) > tail)
    lowest = 0.0 if wrong == 0 else _share(lambda share: 1 - _at_most(wrong - 1, seen, share) < tail)
    return int(100 * lowest), ceil(100 * highest)


def none_wrong(size: int) -> int:
    """Fewer than so many in 100 are wrong, should none of `size` cards need a change."""
    return limits(0, size)[1] if size else 100


def _share(holds: Callable[[float], bool]) -> float:
    """Up to which share it holds: true below, false above."""
    low, high = 0.0, 1.0
    for _step in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high


def _at_most(wrong: int, seen: int, share: float) -> float:
    """How likely so many or fewer are wrong among those seen, where that share of all is."""
    return sum(comb(seen, n) * share**n * (1 - share) ** (seen - n) for n in range(wrong + 1))
