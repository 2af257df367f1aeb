"""Cards that could not be read, over all batches: what an administrator looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone

from batches import progress
from batches.models import Attempt, Batch, Card
from batches.queries.asked import whole_number
from batches.states import BatchStatus, CardStatus, PauseReason
from ocr.models import Engine

DAYS = (1, 7, 30, 0)  # 0: all
PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address narrows the page to. Unknown values are left out, never an error."""

    days: int = 7
    cause: str = ""
    batch: int = 0
    engine: int = 0

    @classmethod
    def from_query(cls, query: Mapping[str, Any]) -> "Asked":
        days = query.get("days", "")
        return cls(
            days=int(days) if days in {str(one) for one in DAYS} else 7,
            cause=str(query.get("cause", "")).replace("\x00", "")[:40],
            batch=whole_number(query.get("batch")) or 0,
            engine=whole_number(query.get("engine")) or 0,
        )

    def query(self, **changed: Any) -> str:
        parts = {"days": self.days, "cause": self.cause, "batch": self.batch, "engine": self.engine} | changed
        return urlencode({name: value for name, value in parts.items() if value or name == "days"})


def failed(asked: Asked) -> QuerySet[Card]:
    """The cards that the page is about. Batches without a failed card are not looked into."""
    batches = Batch.objects.filter(deleted_at=None, failed__gt=0)
    if asked.batch:
        batches = batches.filter(pk=asked.batch)
    if asked.engine:
        batches = batches.filter(engine=asked.engine)
    cards = Card.objects.filter(batch__in=batches, status=CardStatus.FAILED)
    if asked.days:
        cards = cards.filter(finished_at__gte=timezone.now() - timedelta(days=asked.days))
    return cards.filter(error=asked.cause) if asked.cause else cards


@dataclass(frozen=True, slots=True)
class Cause:
    code: str
    cards: int
    batches: int
    last: datetime | None
    sentence: str
    advice: str


def causes(asked: Asked) -> list[Cause]:
    """The most frequent first: one query."""
    found = (
        failed(asked)
        .order_by()
        .values_list("error")
        .annotate(cards=Count("pk"), batches=Count("batch", distinct=True), last=Max("finished_at"))
        .order_by("-cards", "error")
    )
    return [
        Cause(code, cards, batches, last, progress.error_sentence(code), progress.error_advice(code))
        for code, cards, batches, last in found
    ]


def listed(asked: Asked) -> QuerySet[Card]:
    return failed(asked).select_related("batch__owner").order_by("-finished_at", "-pk")


def choices() -> dict[str, list[tuple[int, str]]]:
    """Batches and engines that the page can be narrowed to: those with failed cards."""
    batches = Batch.objects.filter(deleted_at=None, failed__gt=0).order_by("-changed_at")
    engines = Engine.objects.filter(batches__in=batches).distinct().order_by("name")
    return {
        "batches": list(batches.values_list("pk", "name")[:200]),
        "engines": list(engines.values_list("pk", "name")),
    }


def prompt_of(card: Card) -> str:
    """What was asked of the card's last reader; empty where no words are asked, as of the local engine."""
    return (card.rereading.prompt if card.rereading else "") or card.batch.prompt


RECENT = timedelta(hours=1)
_OF_ENGINES = (PauseReason.ENDPOINT, PauseReason.CREDENTIALS, PauseReason.BUDGET)
CALLS = 2000  # the newest, at most, that tell how an engine is


@dataclass(frozen=True, slots=True)
class Reader:
    """An engine and how it has been of late. `reason`: why batches wait for it, in words; empty: none does."""

    engine: Engine
    reason: str
    waiting: int  # batches
    answers: int
    failures: int
    seconds: float | None  # a call that was answered, on average
    last: datetime | None  # the last answer
    resting: bool  # it asked for fewer calls


def readers() -> list[Reader]:
    """Engines in use, and those that batches wait for: three queries, however many calls and batches there are."""
    now = timezone.now()
    paused = Batch.objects.filter(deleted_at=None, status=BatchStatus.PAUSED, pause_reason__in=_OF_ENGINES)
    waits: dict[int, list[str]] = {}
    for batch in paused.select_related("engine", "rereading__engine").order_by("pk"):
        if batch.reader is not None:
            waits.setdefault(batch.reader.pk, []).append(batch.pause_reason)
    newest = Attempt.objects.order_by("-pk").values_list("engine", "started_at", "duration", "error")[:CALLS]
    calls: dict[int, list[tuple[datetime, float, str]]] = {}
    for engine_pk, began, seconds, error in newest:
        if began >= now - RECENT:
            calls.setdefault(engine_pk, []).append((began, seconds, error))
    wanted = Engine.objects.filter(Q(enabled=True) | Q(pk__in=waits)).order_by("name")
    return [_reader(engine, waits.get(engine.pk, []), calls.get(engine.pk, []), now) for engine in wanted]


def _reader(engine: Engine, waits: list[str], calls: list[tuple[datetime, float, str]], now: datetime) -> Reader:
    answered = [(began, seconds) for began, seconds, error in calls if not error]
    return Reader(
        engine=engine,
        reason=str(PauseReason(waits[0]).label) if waits else "",
        waiting=len(waits),
        answers=len(answered),
        failures=len(calls) - len(answered),
        seconds=sum(seconds for _began, seconds in answered) / len(answered) if answered else None,
        last=max((began for began, _seconds in answered), default=None),
        resting=engine.rest_until is not None and engine.rest_until > now,
    )
