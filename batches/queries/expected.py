"""What reading a batch is expected to take and to cost, as far as that is known."""

import os
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from django.conf import settings
from django.db.models import Avg
from django.utils import timezone

from batches import progress
from batches.models import Batch, Card, TryCard
from batches.queries import budgets
from batches.queries.budgets import Limit
from batches.states import CardStatus
from ocr import probing
from ocr.errors import EngineMissing
from ocr.models import Engine

LOCAL_CARDS_PER_SECOND = 0.5  # by one core, typed cards at full resolution
SAMPLE = 200  # cards that a mean of seconds is taken of


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost. None: not known."""

    tokens_in: str
    tokens_out: str
    cached: str
    on: date | None


@dataclass(frozen=True, slots=True)
class Outlay:
    """Texts for a number of cards; empty: not known."""

    time: str
    cost: str


def at_once(batch: Batch, engine: Engine) -> int:
    """How many cards are read at a time, at most."""
    limits: list[int | None] = [settings.EXTRACTION_THREADS, engine.max_in_flight, batch.option("concurrency")]
    limits.append(os.cpu_count() if engine.kind == Engine.Kind.LOCAL else probing.side_by_side(engine)[0])
    return max(1, min(limit for limit in limits if limit))


def seconds_per_card(batch: Batch, engine: Engine) -> float | None:
    """As measured on the cards that were tried, by a test of the engine, or in its last batch with this model."""
    tried = TryCard.objects.filter(tryout__batch=batch, result__engine=engine)
    if mean := tried.aggregate(mean=Avg("duration"))["mean"]:
        return float(mean)
    if engine.seconds_per_card:
        return engine.seconds_per_card
    model = batch.model or engine.model
    last = (
        Batch.objects.filter(engine=engine, model=model, completed__gt=0).exclude(pk=batch.pk).order_by("-pk").first()
    )
    if last is not None:
        read = Card.objects.filter(batch=last, status=CardStatus.COMPLETED).exclude(duration=None)
        ids = list(read.order_by("-position").values_list("pk", flat=True)[:SAMPLE])
        if mean := Card.objects.filter(pk__in=ids).aggregate(mean=Avg("duration"))["mean"]:
            return float(mean)
    return 1 / LOCAL_CARDS_PER_SECOND if engine.kind == Engine.Kind.LOCAL else None


def outlay(batch: Batch, engine: Engine, cards: int) -> Outlay:
    seconds, cost = seconds_per_card(batch, engine), budgets.card_cost(batch, engine)
    side_by_side = min(at_once(batch, engine), max(cards, 1))
    time = progress.time_in_words(seconds * cards / side_by_side) if seconds and cards else ""
    if engine.prices.free or cost is None:
        return Outlay(time, "")
    return Outlay(time, progress.about(cost * cards, engine.currency))


def price(engine: Engine) -> Price | None:
    """None: the engine has none."""
    prices = engine.prices
    if prices.tokens_in is None or prices.tokens_out is None:
        return None
    cached = "" if prices.cached is None else progress.money(prices.cached, engine.currency)
    return Price(
        progress.money(prices.tokens_in, engine.currency),
        progress.money(prices.tokens_out, engine.currency),
        cached,
        engine.priced_on,
    )


def month(batch: Batch, engine: Engine) -> Limit | None:
    """The month's budget of the engine, if it has one."""
    return next((limit for limit in budgets.limits(batch, engine, timezone.now()) if limit.engine_name), None)


def proxy(engine: Engine) -> str:
    """The host through which calls leave, without whatever else its address holds."""
    try:
        return urlsplit(engine.config().proxy).hostname or ""
    except EngineMissing:  # the start will say so
        return ""
