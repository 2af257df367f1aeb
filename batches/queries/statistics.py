"""Figures of a batch, and of all batches that a person may see; their queries do not grow with the cards."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db.models import Avg, Count, F, Max, Min, Q, QuerySet, Sum, TextField, Value
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast, NullIf, TruncDay, TruncHour, TruncMinute, TruncMonth
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import get_language

from batches import progress
from batches.models import Attempt, Batch, BatchQuerySet, Card, CardValue, FieldRevision, indexing
from batches.states import BatchStatus, CardStatus
from ocr.fields import FieldSpec

KEPT = 3600  # seconds that the figures of a version of a batch are kept
BARS = 60  # at most, of the pace
WIDTH, HEIGHT = 600, 120  # of the drawing of the pace, in its own units
CAUSES = 30
FLAGGED = 500  # cards looked into for the fields that are to be checked
PEOPLE = 50
SITE_BATCHES = 20
FILLED_BATCHES, FILLED_CARDS = 50, 50_000


@dataclass(frozen=True, slots=True)
class FieldFigures:
    """`filled` and `corrected` count cards."""

    label: str
    filled: int
    corrected: int
    read: int
    checked: int

    @property
    def filled_share(self) -> float | None:
        return 100 * self.filled / self.read if self.read else None

    @property
    def corrected_share(self) -> float | None:
        return 100 * self.corrected / self.checked if self.checked else None


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    number: int
    x: float
    width: float
    height: float

    @property
    def y(self) -> float:
        return HEIGHT - self.height


@dataclass(frozen=True, slots=True)
class CauseFigures:
    sentence: str
    cards: int
    calls: int


@dataclass(frozen=True, slots=True)
class BatchFigures:
    bars: list[Bar]
    calls: int
    call_seconds: float | None
    tried_again: int
    causes: list[CauseFigures]
    fields: list[FieldFigures]


def of_batch(batch: Batch) -> BatchFigures:
    """Kept for as long as nothing changes in the batch; in the language that is active."""
    key = f"figures-{batch.pk}-{batch.version}-{get_language()}"
    found: BatchFigures | None = cache.get(key)
    if found is None:
        found = _of_batch(batch)
        cache.set(key, found, KEPT)
    return found


def _of_batch(batch: Batch) -> BatchFigures:
    calls = Attempt.objects.filter(card__batch=batch).aggregate(n=Count("pk"), seconds=Avg("duration"))
    return BatchFigures(
        bars=_bars(batch.cards.filter(status__in=[CardStatus.COMPLETED, CardStatus.FAILED], finished_at__isnull=False)),
        calls=calls["n"],
        call_seconds=calls["seconds"],
        tried_again=batch.cards.filter(tries__gt=1).count(),
        causes=_causes(Q(batch=batch), Q(card__batch=batch)),
        fields=_fields(batch),
    )


def _bars(cards: QuerySet[Card]) -> list[Bar]:
    """Cards finished in each minute, hour or day; the finest of them that needs no more bars than there is room for."""
    span = cards.aggregate(first=Min("finished_at"), last=Max("finished_at"))
    if span["first"] is None:
        return []
    seconds = (span["last"] - span["first"]).total_seconds()
    trunc, shape = next(
        (trunc, shape)
        for trunc, unit, shape in ((TruncMinute, 60, "H:i"), (TruncHour, 3600, "H:i"), (TruncDay, 1e12, "j.n."))
        if seconds / unit < BARS
    )
    found = list(cards.order_by().values(at=trunc("finished_at")).annotate(n=Count("pk")).order_by("at"))[-BARS:]
    if len(found) < 3:
        return []
    most, step = max(row["n"] for row in found), WIDTH / len(found)
    return [
        Bar(_moment(row["at"], shape), row["n"], index * step, max(1.0, step - 2), HEIGHT * row["n"] / most)
        for index, row in enumerate(found)
    ]


def _moment(at: datetime, shape: str) -> str:
    return date_format(localtime(at), shape)


def _causes(of_cards: Q, of_calls: Q) -> list[CauseFigures]:
    """Cards that stay unread, and calls that came to nothing, also those that a later one has made up for."""
    failed = Card.objects.filter(of_cards, status=CardStatus.FAILED).order_by()
    cards = dict(failed.values_list("error").annotate(n=Count("pk")))
    calls = dict(
        Attempt.objects.filter(of_calls).exclude(error="").order_by().values_list("error").annotate(n=Count("pk"))
    )
    codes = sorted({*cards, *calls}, key=lambda code: (-cards.get(code, 0), -calls.get(code, 0), code))[:CAUSES]
    return [CauseFigures(progress.error_sentence(code), cards.get(code, 0), calls.get(code, 0)) for code in codes]


def _fields(batch: Batch) -> list[FieldFigures]:
    specs = batch.specs()
    read = batch.cards.filter(status=CardStatus.COMPLETED)
    filled = read.aggregate(**{f"f{n}": Count(_value(spec)) for n, spec in enumerate(specs)}) if specs else {}
    corrected = dict(
        FieldRevision.objects.filter(card__batch=batch, card__reviewed=True, by_hand=False)
        .order_by()
        .values_list("key")
        .annotate(n=Count("card", distinct=True))
    )
    return [
        FieldFigures(spec.label, filled[f"f{n}"], corrected.get(spec.key, 0), batch.completed, batch.reviewed)
        for n, spec in enumerate(specs)
    ]


def _value(spec: FieldSpec) -> Any:
    """NULL where the field is empty. On SQLite Django gives a JSON null as the text "null"."""
    text = Cast(KeyTextTransform(spec.key, "result__values"), TextField())
    return NullIf(NullIf(text, Value("null", TextField())), Value("", TextField()))


@dataclass(frozen=True, slots=True)
class Flag:
    """A field and the cards on which it is to be checked; `width` in per cent of the most frequent one."""

    label: str
    number: int
    width: float


@dataclass(frozen=True, slots=True)
class Flags:
    fields: list[Flag]  # the most frequent first
    cards: int  # that were looked into
    more: bool  # there are others

    @property
    def number(self) -> int:
        return sum(one.number for one in self.fields)


def flags(batch: Batch) -> Flags | None:
    """Which fields are to be checked on the cards that are; of the first ones, should there be more."""
    specs = batch.specs()
    if not batch.to_check or not specs:
        return None
    key = f"flags-{batch.pk}-{batch.version}"
    found: Flags | None = cache.get(key)
    if found is None:
        flagged = batch.cards.filter(status=CardStatus.COMPLETED, to_check=True).order_by("position")
        ids = list(flagged.values_list("pk", flat=True)[:FLAGGED])
        numbers = Card.objects.filter(pk__in=ids).aggregate(
            **{f"f{n}": Count(_first_issue(spec)) for n, spec in enumerate(specs)}
        )
        most = max(1, *numbers.values())
        told = [Flag(spec.label, numbers[f"f{n}"], 100 * numbers[f"f{n}"] / most) for n, spec in enumerate(specs)]
        fields = sorted((one for one in told if one.number), key=lambda one: -one.number)
        found = Flags(fields, len(ids), batch.to_check > len(ids))
        cache.set(key, found, KEPT)
    return found


def _first_issue(spec: FieldSpec) -> Any:
    """NULL where nothing is wrong with the field."""
    return KeyTextTransform("0", KeyTransform("issues", KeyTransform(spec.key, "result__fields")))


# ---- all batches that somebody may see


@dataclass(frozen=True, slots=True)
class Total:
    """Batches of a month, or of all time."""

    month: datetime | None
    batches: int
    cards: int
    read: int
    failed: int
    checked: int
    tokens_in: int
    tokens_out: int


@dataclass(frozen=True, slots=True)
class Cost:
    engine: str
    currency: str
    batches: int
    read: int
    cost: Decimal
    unpriced: int

    @property
    def told(self) -> str:
        return progress.money(self.cost, self.currency, at_least=bool(self.unpriced))

    @property
    def each(self) -> str:
        return progress.money(self.cost / self.read, self.currency) if self.read and self.cost else ""


@dataclass(frozen=True, slots=True)
class SiteFigures:
    total: Total
    months: list[Total]
    costs: list[Cost]
    causes: list[CauseFigures]
    fields: list[tuple[str, int, int]]  # key, corrected values, batches
    filled: list[tuple[str, int, float]]  # key, cards that were asked for it, percent of them that have a value
    largest: Sequence[Batch]


_SUMS = {
    "batches": Count("pk"),
    "cards": Sum("total", default=0),
    "read": Sum("completed", default=0),
    "failed_": Sum("failed", default=0),
    "checked": Sum("reviewed", default=0),
    "in_": Sum("tokens_in", default=0),
    "out": Sum("tokens_out", default=0),
}


def of_site(visible: BatchQuerySet) -> SiteFigures:
    started = visible.exclude(status=BatchStatus.DRAFT).order_by()
    months = started.exclude(started_at=None).annotate(month=TruncMonth("started_at")).values("month")
    costs = (
        started.values("engine__name", "currency")
        .annotate(n=Count("pk"), read=Sum("completed"), paid=Sum("cost"), unknown=Sum("unpriced"))
        .order_by("-read")
    )
    corrected = (
        FieldRevision.objects.filter(card__batch__in=started, by_hand=False)
        .order_by()
        .values_list("key")
        .annotate(n=Count("pk"), batches=Count("card__batch", distinct=True))
        .order_by("-n", "key")[:CAUSES]
    )
    return SiteFigures(
        total=_total(started.aggregate(**_SUMS)),
        months=[_total(dict(row)) for row in months.annotate(**_SUMS).order_by("-month")[:12]],
        costs=[
            Cost(row["engine__name"] or "–", row["currency"], row["n"], row["read"], row["paid"], row["unknown"])
            for row in costs
        ],
        causes=_causes(Q(batch__in=started), Q(card__batch__in=started)),
        fields=list(corrected),
        filled=_filled(started),
        largest=list(started.select_related("owner").order_by("-total")[:SITE_BATCHES]),
    )


def _filled(started: BatchQuerySet) -> list[tuple[str, int, float]]:
    """The emptiest field first, over the newest batches: two queries that look at so many cards, whatever there are."""
    asked: Counter[str] = Counter()
    chosen: list[int] = []
    cards = 0
    for batch in started.filter(completed__gt=0).only("fields", "completed").order_by("-pk")[:FILLED_BATCHES]:
        if chosen and cards + batch.completed > FILLED_CARDS:
            break
        cards += batch.completed
        chosen.append(batch.pk)
        asked.update({spec.key: batch.completed for spec in batch.specs()})
    values = CardValue.objects.filter(batch__in=chosen).exclude(key=indexing.SURE)
    found = dict(values.order_by().values_list("key").annotate(n=Count("pk")))
    shares = [(key, number, 100 * min(1, found.get(key, 0) / number)) for key, number in asked.items()]
    return sorted(shares, key=lambda one: (one[2], one[0]))[:CAUSES]


def _total(row: dict[str, Any]) -> Total:
    numbers = (row[name] for name in ("batches", "cards", "read", "failed_", "checked", "in_", "out"))
    return Total(row.get("month"), *numbers)


# ---- by person, where that is switched on


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    checked: int
    corrected: int


def people(batches: BatchQuerySet) -> list[Person]:
    """Empty where the installation keeps no figures of persons."""
    if not settings.PERSON_FIGURES:
        return []
    checked = _by_name(Card.objects.filter(batch__in=batches, reviewed=True), "reviewed_by")
    corrected = _by_name(FieldRevision.objects.filter(card__batch__in=batches), "by")
    names = sorted({*checked, *corrected}, key=lambda name: (-checked.get(name, 0), -corrected.get(name, 0), name))
    return [Person(name, checked.get(name, 0), corrected.get(name, 0)) for name in names[:PEOPLE]]


def _by_name(rows: QuerySet[Any], by: str) -> dict[str, int]:
    named = rows.exclude(**{by: None}).order_by().annotate(name=F(f"{by}__username")).values_list("name")
    return dict(named.annotate(n=Count("pk")))
