"""What a page that follows a batch asks the database. The batch's own counters are never counted again."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.db.models import Count, Max, QuerySet, Sum
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from batches import progress
from batches.models import Batch, Card
from batches.queries import results
from batches.states import BatchStatus, CardStatus

KEPT = 50  # rows in the live table
KEPT_WHEN_OVER = 10  # there, more of them would only be in the way
COLUMNS = 4  # fields shown in it
SLOTS = 8  # cards named as being read now
CAUSES_OF = 1000  # failed cards that are grouped by cause
TYPICAL_OF = 40  # cards, the newest
MEANINGFUL = 5
ACTIVE = (BatchStatus.QUEUED, BatchStatus.RUNNING)
FINISHED = (CardStatus.COMPLETED, CardStatus.FAILED)


def batches(ids: Collection[int]) -> QuerySet[Batch]:
    return Batch.objects.filter(pk__in=ids, deleted_at=None).select_related(
        "owner", "engine", "template_version__template", "rereading__engine"
    )


def versions(ids: Collection[int]) -> dict[int, int]:
    return dict(Batch.objects.filter(pk__in=ids, deleted_at=None).values_list("pk", "version"))


def last_card_of(batch: Batch, version: int) -> int:
    return batch.cards.filter(version=version).aggregate(last=Max("pk"))["last"] or 0


def changed(batch: Batch, after: tuple[int, int], *, view: str, limit: int) -> list[Card]:
    """Cards stamped after the cursor, up to the version at which the batch was read, in order."""
    version, card = after
    cards = batch.cards.filter(version__gte=version, version__lte=batch.version)
    if view == "live":  # a card that was stopped never stood in the live table
        cards = cards.exclude(status=CardStatus.CANCELLED)
    return list(
        cards.exclude(version=version, pk__lte=card)
        .select_related("result", "reviewed_by")
        .order_by("version", "pk")[:limit]
    )


def came_of(batch: Batch, after: tuple[int, int], limit: int) -> list[tuple[int, int]]:
    """Version and id of cards stamped after the cursor that neither wait nor are being read, in order."""
    version, card = after
    cards = batch.cards.filter(version__gte=version, version__lte=batch.version).exclude(version=version, pk__lte=card)
    ended = cards.exclude(status__in=(CardStatus.PENDING, CardStatus.PROCESSING))
    return list(ended.order_by("version", "pk").values_list("version", "pk")[:limit])


def latest(batch: Batch) -> list[Card]:
    """The newest finished cards, newest first. After a stop of 100,000 cards still a walk of a few hundred."""
    recent = batch.cards.order_by("-version", "-pk").values_list("pk", "status")[: 10 * KEPT]
    ids = [pk for pk, status in recent if status in FINISHED][:KEPT]
    if len(ids) < min(KEPT, batch.completed + batch.failed):
        for status in FINISHED:
            last = batch.cards.filter(status=status).exclude(pk__in=ids).order_by("-position")
            ids += last.values_list("pk", flat=True)[: KEPT - len(ids)]
    order = {pk: place for place, pk in enumerate(ids)}
    return sorted(batch.cards.order_by().filter(pk__in=ids).select_related("result"), key=lambda card: order[card.pk])


@dataclass(frozen=True, slots=True)
class Slot:
    card: Card
    name: str
    seconds: str  # as a machine reads it; the page counts on from there
    words: str


def being_read(batch: Batch) -> list[Slot]:
    now = timezone.now()
    cards = batch.cards.filter(status=CardStatus.PROCESSING).order_by("position")[:SLOTS]
    slots = []
    for card in cards:
        seconds = max(0.0, (now - card.called_at).total_seconds()) if card.called_at else 0.0
        slots.append(Slot(card, base_name(card), f"{seconds:.1f}", in_seconds(seconds)))
    return slots


def typical_seconds(batch: Batch) -> float | None:
    """The median of the last calls that gave or failed a card."""
    last = batch.cards.order_by("-version", "-pk").values_list("duration", flat=True)[:TYPICAL_OF]
    seconds = [one for one in last if one is not None]
    return median(seconds) if len(seconds) >= MEANINGFUL else None


@dataclass(frozen=True, slots=True)
class Others:
    """What else wants the same engine now: batches take turns."""

    batches: int
    cards: int


def others(batch: Batch) -> Others:
    beside = Batch.objects.filter(status__in=ACTIVE, deleted_at=None, engine=batch.engine).exclude(pk=batch.pk)
    found = beside.aggregate(n=Count("pk"), cards=Sum("pending"), now=Sum("processing"))
    return Others(found["n"], (found["cards"] or 0) + (found["now"] or 0))


def base_name(card: Card) -> str:
    return card.display_name.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Cause:
    code: str
    number: int
    sentence: str
    advice: str


def causes(batch: Batch) -> list[Cause]:
    """Why cards could not be read, the most frequent first; of the first thousand, should there be more."""
    if not batch.failed:
        return []
    failed = batch.cards.filter(status=CardStatus.FAILED).order_by("position")
    numbers = Counter(failed.values_list("error", flat=True)[:CAUSES_OF])
    return [
        Cause(code, number, progress.error_sentence(code), progress.error_advice(code))
        for code, number in numbers.most_common()
    ]


@dataclass(frozen=True, slots=True)
class LiveRow:
    card: Card
    name: str
    cells: list[results.Cell]
    pill: results.Pill
    confidence: str
    time: str


def rows(batch: Batch, cards: Sequence[Card]) -> list[LiveRow]:
    """Cards as the live table shows them: the grid's rows, with the first fields alone."""
    return [
        LiveRow(
            row.card,
            row.name,
            row.cells[:COLUMNS],
            row.pill,
            row.confidence,
            "" if row.card.duration is None else in_seconds(row.card.duration),
        )
        for row in results.rows(batch, cards)
    ]


def columns(batch: Batch) -> list[str]:
    return [spec.label for spec in batch.specs()[:COLUMNS]]


def in_seconds(seconds: float) -> str:
    return _("%(n)s s") % {"n": number_format(seconds, 1)}


def clock(moment: Any) -> str:
    return date_format(localtime(moment), "TIME_FORMAT")
