"""Cards that could not be read, by cause."""

import zlib
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Count, Sum
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from batches import progress
from batches.models import Activity, Attempt, Batch, Card
from batches.states import CardStatus
from ocr import errors

SHOWN = 10  # cards of a cause that are drawn
DONE = ("retry", "enter", "skip")
SIGNED = 1000
TRIES = 10  # calls of the card that is looked at
ICONS = {"reply_truncated": "text", "engine_timeout": "clock", "unreadable_image": "ban"}


@dataclass(frozen=True, slots=True)
class Group:
    code: str
    number: int
    sentence: str
    advice: str
    others_may: bool  # another engine or model may read these
    message: str  # what the engine or the decoder said of the first one
    cards: list[Card]
    may_work: bool  # the same again may help

    @property
    def icon(self) -> str:
        return ICONS.get(self.code, "alert")

    @property
    def can_turn(self) -> bool:
        """Their images can be opened, so lying on its side may be what is wrong."""
        return any(card.has_picture for card in self.cards)

    @property
    def more(self) -> int:
        return self.number - len(self.cards)

    @property
    def query(self) -> str:
        """These cards, in the address of the pages that show cards or offer another engine."""
        return urlencode({"filter": "problems", "cause": self.code})


def groups(batch: Batch, opened: str = "") -> list[Group]:
    """The most frequent cause first; of `opened` all cards, up to 500. A query for the numbers, one for each cause."""
    if not batch.failed:
        return []
    failed = batch.cards.filter(status=CardStatus.FAILED)
    numbers = failed.order_by().values_list("error").annotate(n=Count("pk")).order_by("-n", "error")
    return [_group(batch, code, number, 500 if code == opened else SHOWN) for code, number in numbers]


def _group(batch: Batch, code: str, number: int, limit: int) -> Group:
    cards = list(batch.cards.filter(status=CardStatus.FAILED, error=code).order_by("position")[:limit])
    message = next((card.error_message for card in cards if card.error_message), "")
    kind = errors.of_reason(code)
    return Group(
        code,
        number,
        progress.error_sentence(code),
        progress.error_advice(code),
        kind.others_may,
        message,
        cards,
        kind.retryable,
    )


def sign(batch: Batch) -> str:
    """Another one, where other cards failed; by the first of them, should there be very many."""
    if not batch.failed:
        return "0"
    failed = batch.cards.filter(status=CardStatus.FAILED).order_by("position")
    first = list(failed.values_list("pk", "version")[:SIGNED])
    return f"{batch.failed}.{zlib.crc32(repr(first).encode())}"


def done_today(batch: Batch) -> dict[str, int]:
    """Cards that were sent back, entered by hand and skipped since midnight, by people: {kind: number}."""
    midnight = localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    acts = Activity.objects.filter(batch=batch, at__gte=midnight, kind__in=DONE, undone_at=None)
    return dict(acts.order_by().values_list("kind").annotate(n=Sum("count")))


@dataclass(frozen=True, slots=True)
class Try:
    number: int
    attempt: Attempt
    said: str


@dataclass(frozen=True, slots=True)
class Case:
    """One card that could not be read, and what came back each time."""

    card: Card
    tries: list[Try]

    @property
    def reply(self) -> Try | None:
        """The last that said anything."""
        return next((one for one in reversed(self.tries) if one.attempt.raw_reply), None)


def case(groups: list[Group], asked: str) -> Case | None:
    """The card that was asked for, otherwise the first that is shown."""
    shown = [card for group in groups for card in group.cards]
    card = next((one for one in shown if str(one.pk) == asked), shown[0] if shown else None)
    return Case(card, tries(card)) if card else None


def tries(card: Card) -> list[Try]:
    """The last calls of a card, oldest first; one that says what the one before it said is told so."""
    last = list(card.attempts.order_by("-id")[:TRIES])
    first = card.attempts.count() - len(last) + 1 if len(last) == TRIES else 1
    told: list[Try] = []
    before = None
    for number, attempt in enumerate(reversed(last), first):
        said = attempt.error_message or (progress.error_sentence(attempt.error) if attempt.error else _("A reading"))
        told.append(Try(number, attempt, _("The same.") if said == before else said))
        before = said
    return told
