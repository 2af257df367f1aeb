"""What calls cost, written with them: into the attempt, the batch, and the month of the engine."""

from collections import Counter
from datetime import date
from decimal import Decimal

from django.db.models import F

from batches import changes
from batches.models import Attempt, Spending
from batches.queries.budgets import month_of
from ocr.errors import ExtractionError
from ocr.models import Engine
from ocr.pricing import may_cost
from ocr.reading import Usage

TOKENS = ("tokens_in", "tokens_cached", "tokens_out", "tokens_thinking")


class Tally:
    """The calls of one transaction. Lock order: the batch's row, then the months by engine."""

    def __init__(self, change: changes.Change) -> None:
        self._change = change
        self._months: dict[tuple[int, date], Counter[str]] = {}
        self._costs: dict[tuple[int, date], Decimal] = {}

    def add(self, attempt: Attempt, engine: Engine, usage: Usage, error: ExtractionError | None) -> None:
        """Price a call; its tokens and its cost stand in the attempt afterwards."""
        prices, charged = engine.prices, may_cost(error)
        for name in TOKENS:
            setattr(attempt, name, getattr(usage, name))
            self._change.count(name, getattr(usage, name) or 0)
        attempt.cost = prices.of(usage) if charged else None
        self._change.count("calls", int(charged))
        if attempt.cost is not None and self._change.batch.currency in {"", engine.currency}:
            self._change.add_cost(attempt.cost)
        else:  # a sum of two currencies would be none
            self._change.count("unpriced", int(charged))
        if charged and not prices.free:
            self._add_to_month(attempt, engine)

    def _add_to_month(self, attempt: Attempt, engine: Engine) -> None:
        key = (engine.pk, month_of(attempt.started_at))
        month = self._months.setdefault(key, Counter())
        month.update({name: getattr(attempt, name) or 0 for name in TOKENS})
        month.update(calls=1, unpriced=int(attempt.cost is None))
        self._costs[key] = self._costs.get(key, Decimal(0)) + (attempt.cost or 0)

    def write(self) -> None:
        for key in sorted(self._months):
            engine_id, month = key
            row, _made = Spending.objects.get_or_create(engine_id=engine_id, month=month)
            more = {name: F(name) + number for name, number in self._months[key].items()}
            Spending.objects.filter(pk=row.pk).update(**more, cost=F("cost") + self._costs[key])
