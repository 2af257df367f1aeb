"""What calls cost: into the attempt, the batch, and the month of the engine. A test's belong to the month alone."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from batches import changes, rows
from batches.models import Attempt, Spending
from batches.queries.budgets import month_of
from ocr.errors import ExtractionError
from ocr.models import Engine
from ocr.pricing import may_cost
from ocr.reading import Usage

TOKENS = ("tokens_in", "tokens_cached", "tokens_out", "tokens_thinking")


class Months:
    """What calls add to the months of engines that cost something; written in one go."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, date], Counter[str]] = {}
        self._costs: dict[tuple[int, date], Decimal] = {}

    def add(self, engine: Engine, moment: datetime, usage: Usage, cost: Decimal | None) -> None:
        if engine.prices.free:
            return
        key = (engine.pk, month_of(moment))
        counts = self._counts.setdefault(key, Counter())
        counts.update({name: getattr(usage, name) or 0 for name in TOKENS})
        counts.update(calls=1, unpriced=int(cost is None))
        self._costs[key] = self._costs.get(key, Decimal(0)) + (cost or 0)

    def write(self) -> None:
        for key in sorted(self._counts):
            engine_id, month = key
            where: dict[str, Any] = {"engine_id": engine_id, "month": month}
            by: dict[str, int | Decimal] = {**self._counts[key], "cost": self._costs[key]}
            if not rows.update(Spending, where, by=by):  # the first call of a month
                Spending.objects.get_or_create(**where)
                rows.update(Spending, where, by=by)


def book(engine: Engine, moment: datetime, calls: Iterable[tuple[Usage, ExtractionError | None]]) -> None:
    """Calls that are for no card, and what ended them."""
    months = Months()
    for usage, error in calls:
        if may_cost(error):
            months.add(engine, moment, usage, engine.prices.of(usage))
    with transaction.atomic():
        months.write()


class Tally:
    """The calls of one transaction. Lock order: the batch's row, then the months by engine."""

    def __init__(self, change: changes.Change) -> None:
        self._change = change
        self._months = Months()

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
        if charged:
            self._months.add(engine, attempt.started_at, usage, attempt.cost)

    def write(self) -> None:
        self._months.write()
