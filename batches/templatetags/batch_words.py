"""The state of a batch in words, with its icon; the tabs and steps of its pages."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django import template
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches import progress
from batches.models import Batch
from batches.queries import budgets, house
from batches.states import BatchStatus, PauseReason
from ocr.models import Engine

register = template.Library()

UNITS = ("B", "kB", "MB", "GB")

ICONS = {
    BatchStatus.DRAFT: ("quiet", "pen"),
    BatchStatus.QUEUED: ("quiet", "clock"),
    BatchStatus.RUNNING: ("run", "loader"),
    BatchStatus.PAUSED: ("quiet", "pause"),
    BatchStatus.CANCELLED: ("quiet", "stop"),
    BatchStatus.COMPLETED: ("plain", "check"),
    BatchStatus.FAILED: ("bad", "alert"),
}


@dataclass(frozen=True, slots=True)
class State:
    """`kind` and `icon` are names in the style sheet and the sprite; the words never rest on them."""

    word: str
    kind: str
    icon: str
    note: str = ""
    note_kind: str = ""


@register.filter
def moment(when: datetime) -> str:
    """The time if it is today, otherwise the date."""
    local = localtime(when)
    return date_format(local, "TIME_FORMAT" if local.date() == localtime().date() else "SHORT_DATE_FORMAT")


@register.filter
def size(count: int) -> str:
    """Bytes in words, in decimal units like the limits that people set."""
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{number_format(amount, decimal_pos=1 if unit > 1 and amount % 1 else 0)} {UNITS[unit]}"


@register.filter
def money(amount: Decimal | None, currency: str) -> str:
    """ "$0.25"; nothing where the amount is not known."""
    return "" if amount is None else progress.money(amount, currency)


@register.filter
def cost(batch: Batch) -> str:
    """What its calls cost; "at least", where nobody knows what some of them did."""
    if batch.calls and batch.calls == batch.unpriced:
        return _("not known")
    return progress.money(batch.cost, batch.currency, at_least=bool(batch.unpriced))


@register.filter
def card_cost(engine: Engine) -> str:
    """What a card has cost with it, or would by its last test; empty: not known."""
    if engine.prices.free:
        return _("no cost")
    cost = budgets.earlier_cost(engine, engine.model)
    if cost is None:
        cost = budgets.tested_cost(engine, engine.model)
    if cost is None:
        return ""
    return _("%(cost)s a card") % {"cost": progress.money(cost, engine.currency)} if cost else _("no cost")


@register.filter
def budget_left(batch: Batch) -> str:
    return progress.money(max(Decimal(0), (batch.budget or Decimal(0)) - batch.cost), batch.currency)


@register.filter
def state_of(batch: Batch) -> State:
    status = BatchStatus(batch.status)
    kind, icon = ICONS[status]
    word = str(status.label)
    if status == BatchStatus.PAUSED and batch.pause_reason not in {"", PauseReason.PERSON}:
        return _held_back(batch)
    if status == BatchStatus.COMPLETED and batch.to_check:
        note = ngettext("%(n)s card of %(total)s", "%(n)s cards of %(total)s", batch.to_check)
        return State(_("To check"), "warn", "flag", note % {"n": batch.to_check, "total": batch.total})
    return State(word, kind, icon, _note(batch, status))


def _held_back(batch: Batch) -> State:
    if batch.pause_reason == PauseReason.PILOT:
        return State(_("First cards read"), "warn", "eye", str(PauseReason.PILOT.label), "warn")
    if batch.pause_reason == PauseReason.BUDGET:
        if not budgets.used_up(batch, batch.reader):  # it was raised, or a new month has begun
            kind, icon = ICONS[BatchStatus.PAUSED]
            return State(str(BatchStatus.PAUSED.label), kind, icon, _("There is room below the limit again."))
        return State(_("Limit reached"), "warn", "pause", str(PauseReason.BUDGET.label), "warn")
    if batch.option("stay_inside") and (refusal := house.refusal(batch, batch.reader)):
        return State(_("Must stay inside"), "bad", "lock", refusal, "bad")
    refused = batch.pause_reason == PauseReason.CREDENTIALS
    note = batch.pause_message or str(PauseReason(batch.pause_reason).label)
    if batch.retry_at:
        note = _("%(why)s, next try %(time)s") % {
            "why": note,
            "time": date_format(localtime(batch.retry_at), "H:i:s"),
        }
    if refused:
        return State(_("Turned away"), "bad", "lock", note, "bad")
    return State(_("Held up"), "warn", "radio", note, "warn")


def _note(batch: Batch, status: BatchStatus) -> str:
    if status == BatchStatus.DRAFT:
        return _draft(batch)
    if status == BatchStatus.RUNNING:
        return progress.of(batch).time_left
    unseen = batch.completed - batch.reviewed
    if status == BatchStatus.COMPLETED and batch.completed:
        if unseen <= 0:
            return _("every card checked")
        return ngettext("%(n)s card nobody has looked at", "%(n)s cards nobody has looked at", unseen) % {"n": unseen}
    return ""


def _draft(batch: Batch) -> str:
    """What a draft waits for."""
    if not batch.total:
        return _("no scans yet")
    if not batch.pending:
        return _("no card is chosen") if batch.not_chosen else _("every scan is blank")
    return _("ready to be started") if any(spec.active for spec in batch.specs()) else _("no field is named yet")


@dataclass(frozen=True, slots=True)
class Tab:
    name: str
    label: str
    url: str
    current: bool
    count: int = 0
    kind: str = ""
    number: int = 0
    done: bool = False


@register.simple_tag
def batch_steps(batch: Batch, current: str) -> list[Tab]:
    """The way of a draft, in order: what is done, where one is, what comes."""
    done = {
        "name": True,
        "scans": batch.total > 0,
        "fields": any(spec.active for spec in batch.specs()),
        "confirm": False,
    }
    pages = (
        ("name", _("Name"), "batch_settings"),
        ("scans", _("Scans"), "batch_upload"),
        ("fields", _("Fields"), "batch_fields"),
        ("confirm", _("Start"), "batch_confirm"),
    )
    return [
        Tab(name, label, reverse(view, args=[batch.pk]), name == current, number=number, done=done[name])
        for number, (name, label, view) in enumerate(pages, 1)
    ]


@register.simple_tag
def batch_tabs(batch: Batch, current: str) -> list[Tab]:
    """The pages of a started batch."""
    pages = (
        ("run", _("Progress"), "batch_detail", 0, ""),
        ("results", _("Cards"), "batch_results", batch.total, ""),
        ("review", _("Review"), "batch_review", batch.to_check, "count--warn"),
        ("problems", _("Problems"), "batch_problems", batch.failed, "count--bad"),
        ("fields", _("Fields"), "batch_fields", 0, ""),
        ("export", _("Export"), "batch_export", 0, ""),
        ("statistics", _("Statistics"), "batch_statistics", 0, ""),
        ("activity", _("Activity"), "batch_activity", 0, ""),
    )
    return [
        Tab(name, label, reverse(view, args=[batch.pk]), name == current, count, kind)
        for name, label, view, count, kind in pages
    ]
