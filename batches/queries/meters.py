"""What a monitor measures of all batches together. Each question costs the same whatever number of cards there is."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Count, Max, Sum
from django.db.models.functions import Now
from django.utils import timezone

from batches.models import Attempt, Batch, Card, Share, Spending, Worker
from batches.states import CardStatus

RECENT = timedelta(minutes=5)
RECENT_CALLS = 5000  # at most, the last ones
SEEN_WITHIN = timedelta(seconds=30)  # three heartbeats
COUNTED = ("to_check", "reviewed", "nothing_found")


@dataclass(frozen=True, slots=True)
class Leases:
    held: int
    outdated: int


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one engine, since it was added; what is deleted later stays counted."""

    engine: str
    currency: str
    calls: int
    tokens_in: int
    tokens_out: int
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Recent:
    """Calls that began within the last five minutes, by engine and error, and the seconds of those that succeeded."""

    calls: Counter[tuple[str, str]]
    seconds: dict[str, list[float]]


def cards() -> dict[str, int]:
    """By status, and those of COUNTED; from the counters that each batch keeps. Without the trash."""
    names = [*(status.value for status in CardStatus), *COUNTED]
    sums = Batch.objects.filter(deleted_at=None).aggregate(**{f"sum_{name}": Sum(name) for name in names})
    return {name: sums[f"sum_{name}"] or 0 for name in names}


def batches() -> Counter[tuple[str, str]]:
    """By status, and what a paused one waits for."""
    found = Batch.objects.filter(deleted_at=None).order_by().values_list("status", "pause_reason")
    return Counter({(status, reason): n for status, reason, n in found.annotate(n=Count("pk"))})


def unprepared() -> int:
    return Card.objects.filter(prepared_at=None).count()


def leases() -> Leases:
    held = Card.objects.filter(worker__isnull=False)
    return Leases(held.count(), held.filter(lease_until__lt=Now()).count())


def workers() -> int:
    """That have given a sign of life within three heartbeats."""
    return Worker.objects.filter(seen_at__gte=Now() - SEEN_WITHIN).count()


def last_heartbeat() -> datetime | None:
    seen: datetime | None = Worker.objects.aggregate(seen=Max("seen_at"))["seen"]
    return seen


def spent() -> list[Spent]:
    sums = [Sum("calls"), Sum("tokens_in"), Sum("tokens_out"), Sum("cost")]
    found = Spending.objects.order_by("engine__name").values_list("engine__name", "engine__currency")
    return [Spent(*row) for row in found.annotate(*sums)]


def shares() -> list[Share]:
    """How many calls each worker has in flight with each engine, and may have, as it has settled last."""
    return list(
        Share.objects.select_related("engine", "worker").order_by("engine__name", "worker__host", "worker__pid")
    )


def recent() -> Recent:
    """By number, not by time: calls have no index of their times, and need none for this."""
    since = timezone.now() - RECENT
    last = Attempt.objects.order_by("-id").values_list("engine_name", "error", "duration", "started_at")
    calls: Counter[tuple[str, str]] = Counter()
    seconds: dict[str, list[float]] = {}
    for engine, error, duration, started_at in last[:RECENT_CALLS]:
        if started_at < since:
            continue  # a long call is written after shorter ones that began later
        calls[engine, error] += 1
        if not error:
            seconds.setdefault(engine, []).append(duration)
    return Recent(calls, seconds)
