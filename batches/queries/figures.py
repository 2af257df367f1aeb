"""Figures of a span of time over batches, for whoever accounts for them."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Avg, Count, Q, Sum
from django.db.models.functions import TruncDay
from django.utils import timezone

from batches.models import Attempt, BatchQuerySet, Card, FieldRevision
from batches.states import CardStatus

ENDED = (CardStatus.COMPLETED, CardStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Figures:
    cards: int
    completed: int
    failed: int
    cards_per_day: dict[str, int]
    failures: dict[str, int]
    seconds_mean: float | None
    seconds_p95: float | None
    tokens_in: int
    tokens_out: int
    calls: int
    cost: dict[str, Decimal]  # by currency
    corrections: dict[str, int]


def of(batches: BatchQuerySet, since: date | None = None, until: date | None = None) -> Figures:
    """Of cards that ended, calls and corrections on these days, the last one included."""
    ended = Card.objects.filter(_within("finished_at", since, until), batch__in=batches, status__in=ENDED).order_by()
    calls = Attempt.objects.filter(_within("started_at", since, until), card__batch__in=batches).order_by()
    corrections = FieldRevision.objects.filter(
        _within("at", since, until), card__batch__in=batches, by_hand=False
    ).order_by()
    counts = dict(ended.values_list("status").annotate(n=Count("pk")))
    timed = ended.filter(status=CardStatus.COMPLETED, duration__isnull=False)
    seconds = timed.aggregate(mean=Avg("duration"), n=Count("pk"))
    used = calls.aggregate(n=Count("pk"), tokens_in=Sum("tokens_in"), tokens_out=Sum("tokens_out"))
    days = (
        ended.exclude(finished_at=None)
        .annotate(day=TruncDay("finished_at"))
        .values_list("day")
        .annotate(n=Count("pk"))
        .order_by("day")
    )
    costs = calls.exclude(cost=None).values_list("card__batch__currency").annotate(paid=Sum("cost"))
    return Figures(
        cards=sum(counts.values()),
        completed=counts.get(CardStatus.COMPLETED, 0),
        failed=counts.get(CardStatus.FAILED, 0),
        cards_per_day={day.date().isoformat(): number for day, number in days},
        failures=dict(ended.filter(status=CardStatus.FAILED).values_list("error").annotate(n=Count("pk"))),
        seconds_mean=seconds["mean"],
        seconds_p95=_p95(timed, seconds["n"]),
        tokens_in=used["tokens_in"] or 0,
        tokens_out=used["tokens_out"] or 0,
        calls=used["n"],
        cost={currency: paid for currency, paid in costs if currency},
        corrections=dict(corrections.values_list("key").annotate(n=Count("pk"))),
    )


def _within(column: str, since: date | None, until: date | None) -> Q:
    wanted = Q()
    if since is not None:
        wanted &= Q(**{f"{column}__gte": _midnight(since)})
    if until is not None:
        wanted &= Q(**{f"{column}__lt": _midnight(until + timedelta(days=1))})
    return wanted


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def _p95(cards: Any, number: int) -> float | None:
    """The nearest rank: of 100 the 95th."""
    if not number:
        return None
    rank = -(-95 * number // 100) - 1
    found: float = cards.order_by("duration").values_list("duration", flat=True)[rank]
    return found
