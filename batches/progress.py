"""How far a batch is, in numbers and in words; what went wrong, in a sentence and with advice."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches.models import Batch
from batches.states import BatchStatus
from ocr import errors
from ocr.fields import FieldSpec
from ocr.reading import Issue
from templates_app.forms import TYPE_LABELS

PACE_OVER = 3  # minutes that the pace is the mean of
ENOUGH = 20  # cards that a slow pace is the mean of
MEANINGFUL = 5  # cards before a time left is told
STALLED = 300.0  # seconds without a finished card; then no pace is told, and no time left


@dataclass(frozen=True, slots=True)
class Progress:
    batch_id: int
    status: str
    version: int
    total: int
    pending: int
    processing: int
    completed: int
    failed: int
    skipped: int
    cancelled: int
    to_check: int
    reviewed: int
    percent: int
    current: int
    cards_per_minute: float | None
    eta_seconds: int | None
    elapsed_seconds: int
    tokens_in: int
    tokens_cached: int
    tokens_out: int
    tokens_thinking: int
    cost: Decimal
    unpriced: int  # calls whose cost nobody knows
    currency: str
    budget: Decimal | None
    message: str
    time_left: str
    pace: str


def of(batch: Batch, now: datetime | None = None) -> Progress:
    now = now or timezone.now()
    finished = batch.finished_cards
    rate = cards_per_minute(batch, now)
    eta = _eta(batch, rate)
    return Progress(
        batch_id=batch.pk,
        status=batch.status,
        version=batch.version,
        total=batch.total,
        pending=batch.pending,
        processing=batch.processing,
        completed=batch.completed,
        failed=batch.failed,
        skipped=batch.skipped,
        cancelled=batch.cancelled,
        to_check=batch.to_check,
        reviewed=batch.reviewed,
        percent=100 * finished // batch.chosen if batch.chosen else 0,
        current=min(finished + 1, batch.chosen),
        cards_per_minute=rate,
        eta_seconds=eta,
        elapsed_seconds=_elapsed(batch, now),
        tokens_in=batch.tokens_in,
        tokens_cached=batch.tokens_cached,
        tokens_out=batch.tokens_out,
        tokens_thinking=batch.tokens_thinking,
        cost=batch.cost,
        unpriced=batch.unpriced,
        currency=batch.currency,
        budget=batch.budget,
        message=_message(batch),
        time_left=time_in_words(eta) if eta is not None else "",
        pace=_pace_in_words(rate),
    )


def cards_per_minute(batch: Batch, now: datetime) -> float | None:
    """The mean of the last three minutes in which cards were finished; over the whole run once it is over."""
    if batch.status not in {BatchStatus.QUEUED, BatchStatus.RUNNING, BatchStatus.PAUSED}:
        seconds = _elapsed(batch, now)
        read = batch.completed + batch.failed
        return read / seconds * 60 if read and seconds and batch.finished_at else None
    recent = _recent(batch)
    if not recent or batch.started_at is None:
        return None
    if batch.status == BatchStatus.PAUSED and len(recent) < 2:
        return None  # nobody knows how much of its one minute it was read in
    begun = max(recent[0][0] * 60.0, batch.started_at.timestamp())
    seconds = sum(min(minute * 60 + 60.0, now.timestamp()) - max(minute * 60.0, begun) for minute, _cards in recent)
    quiet = now.timestamp() - recent[-1][0] * 60 - 60  # nothing was finished since
    if batch.status == BatchStatus.RUNNING and quiet > 0:
        if batch.processing and quiet > STALLED:
            return None  # calls that do not come back, or a machine that was asleep: nobody knows
        seconds += min(quiet, STALLED if batch.processing else 60.0)
    return float(sum(cards for _minute, cards in recent) / max(seconds, 1.0) * 60)


def _recent(batch: Batch) -> list[Any]:
    """The last three minutes of reading; of a slow engine as many as it takes to have some cards."""
    minutes = PACE_OVER
    while minutes < len(batch.pace) and sum(cards for _minute, cards in batch.pace[-minutes:]) < ENOUGH:
        minutes += 1
    return list(batch.pace[-minutes:])


def _eta(batch: Batch, rate: float | None) -> int | None:
    if batch.status != BatchStatus.RUNNING or not rate or batch.completed + batch.failed < MEANINGFUL:
        return None
    return round((batch.pending + batch.processing) / rate * 60)


def _elapsed(batch: Batch, now: datetime) -> int:
    if batch.started_at is None:
        return 0
    return max(0, int(((batch.finished_at or now) - batch.started_at).total_seconds()))


def _message(batch: Batch) -> str:
    if batch.status == BatchStatus.PAUSED and not batch.processing:  # no file is being read
        told = ngettext("%(n)s card of %(total)s", "%(n)s cards of %(total)s", batch.finished_cards)
        return told % {"n": batch.finished_cards, "total": batch.chosen}
    if batch.pending or batch.processing:
        return _("File %(current)s of %(total)s") % {
            "current": min(batch.finished_cards + 1, batch.chosen),
            "total": batch.chosen,
        }
    return ngettext("%(total)s file", "%(total)s files", batch.chosen) % {"total": batch.chosen}


def time_in_words(seconds: float) -> str:
    """ "about 6 minutes"; never below "less than a minute"."""
    minutes = round(timedelta(seconds=seconds) / timedelta(minutes=1))
    if seconds < 60:
        return _("less than a minute")
    if minutes < 90:
        return ngettext("about %(n)s minute", "about %(n)s minutes", minutes) % {"n": minutes}
    hours = round(minutes / 60)
    if hours < 48:
        return ngettext("about %(n)s hour", "about %(n)s hours", hours) % {"n": hours}
    days = round(hours / 24)
    return ngettext("about %(n)s day", "about %(n)s days", days) % {"n": days}


def seconds_in_words(seconds: float) -> str:
    """Of a measurement: "12 seconds", from two minutes on as `time_in_words`."""
    if seconds >= 120:
        return time_in_words(seconds)
    whole = max(1, round(seconds))
    return ngettext("%(n)s second", "%(n)s seconds", whole) % {"n": whole}


_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "CN¥"}


def money(amount: Decimal, currency: str, *, at_least: bool = False) -> str:
    """ "$0.25", "CHF 12.00"; of small amounts two digits that say something: "$0.0007"."""
    places = 2
    if 0 < abs(amount) < Decimal("0.1"):
        two_digits = round(amount, min(6, 1 - amount.adjusted()))
        places = max(2, -int(two_digits.normalize().as_tuple().exponent))
    figure = number_format(round(amount, places), places, force_grouping=True)
    sign = _SIGNS.get(currency, "")
    told = _("%(sign)s%(amount)s") if sign else _("%(sign)s %(amount)s")
    told = (told % {"sign": sign or currency, "amount": figure}).strip()
    return _("at least %(amount)s") % {"amount": told} if at_least else told


def about(amount: Decimal, currency: str) -> str:
    return _("about %(amount)s") % {"amount": money(amount, currency)}


def _pace_in_words(rate: float | None) -> str:
    if not rate:
        return ""
    if rate < 1:
        an_hour = max(1, round(rate * 60))
        return ngettext("%(n)s card an hour", "%(n)s cards an hour", an_hour) % {"n": an_hour}
    return ngettext("%(n)s card a minute", "%(n)s cards a minute", round(rate)) % {"n": round(rate)}


def error_sentence(reason: str) -> str:
    """What went wrong, for a curator."""
    return _(errors.of_reason(reason).sentence)


def error_advice(reason: str) -> str:
    """What helps, for whoever looks after the engine."""
    return _(errors.of_reason(reason).advice)


def issue_sentence(issue: Issue | str, spec: FieldSpec) -> str:
    """Why a value deserves a look."""
    from_kind = {
        Issue.TYPE: _("“%(label)s” does not look like the type it should have (%(type)s)."),
        Issue.CHOICE: _("“%(label)s” is not on the list."),
        Issue.PATTERN: _("“%(label)s” does not match the pattern."),
        Issue.REQUIRED: _("“%(label)s” is required, but empty."),
        Issue.UNREADABLE: _("“%(label)s” could not be read."),
        Issue.BARCODE: _("“%(label)s” was taken from the barcode: nothing was read there."),
        Issue.CONFIDENCE: _("The engine is not sure of “%(label)s”."),
    }
    return from_kind[Issue(issue)] % {"label": spec.label, "type": TYPE_LABELS[spec.type]}
