"""The first cards of a batch, which are read before a person decides about the rest."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db.models import Q, QuerySet

from batches import progress
from batches.models import Attempt, Batch, Card
from batches.queries import budgets
from batches.states import BatchStatus, CardStatus, PauseReason


def finished(batch: Batch) -> QuerySet[Card]:
    """Cards that this run has read or could not read; not those taken over, entered by hand, or tried before."""
    by_machine = Q(status=CardStatus.COMPLETED, tries__gt=0) | Q(status=CardStatus.FAILED)
    return Card.objects.filter(by_machine, batch=batch, finished_at__gte=batch.started_at)


BEGUN = Q(tries__gt=0) | Q(crashes__gt=0) | Q(not_before__isnull=False)


def under_way(batch: Batch) -> QuerySet[Card]:
    """Cards in flight, and those that wait for a further try."""
    open_ = Card.objects.filter(batch=batch, status__in=[CardStatus.PENDING, CardStatus.PROCESSING])
    return open_.filter(BEGUN | Q(worker__isnull=False))


def untouched(batch: Batch) -> QuerySet[Card]:
    """Cards that nobody has begun, in order."""
    return Card.objects.filter(batch=batch, status=CardStatus.PENDING, worker=None).exclude(BEGUN).order_by("position")


LOOKED_AT = 1000  # cards of a large pilot that empty values are counted in


@dataclass(frozen=True, slots=True)
class Report:
    """What the first cards have shown, and what it means for the rest. Texts are empty where nothing is known."""

    read: int
    failed: int
    to_check: int
    values: int  # that were asked of the cards that were read
    empty: int
    fields: list[tuple[str, int]]  # label, and how many cards have no value there; those of which some have none
    time: str
    cost: str
    rest: int
    rest_time: str
    rest_cost: str

    @property
    def cards(self) -> int:
        return self.read + self.failed


def report(batch: Batch) -> Report | None:
    """None unless the batch waits for a person to decide about the rest."""
    if (batch.status, batch.pause_reason) != (BatchStatus.PAUSED, PauseReason.PILOT):
        return None
    cards = list(finished(batch).select_related("result").order_by("position")[:LOOKED_AT])
    if not cards:
        return None
    results = [card.result.values for card in cards if card.result and card.status == CardStatus.COMPLETED]
    specs = batch.specs()
    empty = Counter(spec.key for spec in specs for values in results if not values.get(spec.key))
    seconds, rest = _seconds(cards), batch.pending
    paid = batch.engine is not None and not batch.engine.prices.free and batch.calls > batch.unpriced
    card_cost = (budgets.card_cost(batch, batch.engine) if batch.engine and paid else None) or 0
    tried = Attempt.objects.filter(card__batch=batch, claim=0).count()  # before the start
    calls_each = max(0, batch.calls - tried) / len(cards)
    return Report(
        read=len(results),
        failed=sum(card.status == CardStatus.FAILED for card in cards),
        to_check=sum(card.to_check for card in cards),
        values=len(specs) * len(results),
        empty=empty.total(),
        fields=[(spec.label, empty[spec.key]) for spec in specs if empty[spec.key]],
        time=progress.seconds_in_words(seconds),
        cost=progress.money(batch.cost, batch.currency, at_least=bool(batch.unpriced)) if paid else "",
        rest=rest,
        rest_time=progress.time_in_words(seconds / len(cards) * rest),
        rest_cost=progress.about(round(card_cost * Decimal(calls_each) * rest, 6), batch.currency) if paid else "",
    )


def _seconds(cards: list[Card]) -> float:
    """In which at least one of them was being read: a pause in between says nothing of the rest."""
    ended = [(card.finished_at, timedelta(seconds=card.duration or 0)) for card in cards if card.finished_at]
    spans = sorted((end - took, end) for end, took in ended)
    seconds, until = timedelta(), spans[0][0] if spans else None
    for begin, end in spans:
        seconds += max(timedelta(), end - max(begin, until or begin))
        until = max(end, until or end)
    return seconds.total_seconds()
