"""A batch's counters as its page shows them: bar, legend, pace, and the sentence that is read out."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from batches.models import Batch
from batches.progress import Progress
from batches.states import BatchStatus

WAITING, READING, PAUSED, OVER = "waiting", "reading", "paused", "over"
_PHASES = {
    BatchStatus.QUEUED: WAITING,
    BatchStatus.RUNNING: READING,
    BatchStatus.PAUSED: PAUSED,
}
WIDTH = 1000  # of the bar's drawing, in its own units
GAP = 2
WORTH_A_WORD = timedelta(seconds=3)


def phase(batch: Batch) -> str:
    return _PHASES.get(BatchStatus(batch.status), OVER)


def is_resting(batch: Batch, now: datetime) -> bool:
    """Its engine has asked for a pause that is worth a word."""
    until = batch.reader.rest_until if batch.reader else None
    return batch.is_active and until is not None and until - now >= WORTH_A_WORD


def unseen(batch: Batch) -> int:
    """Read, not flagged, and not looked at by anybody."""
    return max(0, batch.completed - batch.reviewed - batch.to_check)


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the bar, and its line in the legend."""

    name: str  # of the colour
    number: int
    label: str
    address: str
    x: int = 0
    width: int = 0


def parts(batch: Batch) -> list[Part]:
    """What is empty is left out of the bar; it stays in the legend where a person would look for it."""
    pieces = _when_over(batch) if phase(batch) == OVER else _while_reading(batch)
    placed, x = [], 0.0
    for piece in pieces:
        width = WIDTH * piece.number / batch.chosen if batch.chosen else 0.0
        placed.append(replace(piece, x=round(x), width=max(0, round(x + width) - round(x) - GAP) or int(width > 0)))
        x += width
    if batch.not_chosen:  # no part of the bar: it is not being waited for
        placed.append(Part("out", batch.not_chosen, _("not chosen"), reverse("batch_rest", args=[batch.pk])))
    return placed


def _while_reading(batch: Batch) -> list[Part]:
    cards = reverse("batch_results", args=[batch.pk])
    read = max(0, batch.completed - batch.to_check)
    pieces = [
        Part("ok", read, _("read"), f"{cards}?filter=read"),
        Part("warn", batch.to_check, _("to check"), f"{cards}?filter=check"),
        Part("bad", batch.failed, _("could not be read"), reverse("batch_problems", args=[batch.pk])),
    ]
    if skipped := batch.skipped - batch.not_chosen:
        pieces.append(Part("blank", skipped, _("skipped"), f"{cards}?filter=skipped"))
    return [
        *pieces,
        Part("now", batch.processing, _("being read"), f"{cards}?filter=waiting"),
        Part("wait", batch.pending, _("waiting"), f"{cards}?filter=waiting"),
    ]


def _when_over(batch: Batch) -> list[Part]:
    cards = reverse("batch_results", args=[batch.pk])
    pieces = [
        Part("ok", batch.reviewed, _("checked by a person"), f"{cards}?filter=reviewed"),
        Part("warn", batch.to_check, _("to check"), f"{cards}?filter=check"),
        Part("now", unseen(batch), _("nobody has looked at"), f"{cards}?filter=read"),
        Part("bad", batch.failed, _("could not be read"), reverse("batch_problems", args=[batch.pk])),
    ]
    if skipped := batch.skipped - batch.not_chosen:
        pieces.append(Part("blank", skipped, _("skipped"), f"{cards}?filter=skipped"))
    if batch.processing:
        pieces.append(Part("wait", batch.processing, _("being read"), f"{cards}?filter=waiting"))
    rest = batch.cancelled + batch.pending
    if rest:
        pieces.append(Part("wait", rest, _("not read, because the batch was stopped"), f"{cards}?filter=waiting"))
    return pieces


def title(batch: Batch, progress: Progress) -> str:
    if phase(batch) == OVER:
        return _("%(state)s · %(name)s") % {"state": BatchStatus(batch.status).label, "name": batch.name}
    return _("%(percent)s %% · %(name)s") % {"percent": progress.percent, "name": batch.name}


def sentence(batch: Batch, progress: Progress) -> str:
    """What is read out at the start, at every tenth, when it stops, and at the end."""
    state = BatchStatus(batch.status)
    if state == BatchStatus.COMPLETED:
        read = ngettext("%(n)s card read.", "%(n)s cards read.", batch.completed) % {"n": batch.completed}
        check = ngettext("%(n)s card to check.", "%(n)s cards to check.", batch.to_check) % {"n": batch.to_check}
        return " ".join([_("Finished."), read, check if batch.to_check else "", problems(batch)]).strip()
    if state == BatchStatus.RUNNING:
        return _("%(percent)s percent. %(message)s.") % {"percent": progress.percent, "message": progress.message}
    return _("%(state)s. %(percent)s percent.") % {"state": state.label, "percent": progress.percent}


def problems(batch: Batch) -> str:
    if not batch.failed:
        return ""
    return ngettext("%(n)s card could not be read.", "%(n)s cards could not be read.", batch.failed) % {
        "n": batch.failed
    }


@dataclass(frozen=True, slots=True)
class Spark:
    """The pace of the last minutes as an SVG path, 150 wide and 40 high."""

    line: str
    lowest: int
    highest: int
    minutes: int

    @property
    def area(self) -> str:
        return f"M0 40L{self.line[1:]}L150 40Z"


def spark(batch: Batch) -> Spark | None:
    """None until there are three whole minutes: the present one is not over."""
    numbers = [max(0, int(cards)) for _minute, cards in batch.pace][:-1]
    if len(numbers) < 3 or not max(numbers):
        return None
    step, scale = 150 / (len(numbers) - 1), 36 / max(numbers)
    points = [f"{index * step:.1f} {38 - number * scale:.1f}" for index, number in enumerate(numbers)]
    return Spark("M" + "L".join(points), min(numbers), max(numbers), len(numbers))


def seconds_per_card(batch: Batch, progress: Progress) -> float | None:
    read = batch.completed + batch.failed
    return progress.elapsed_seconds / read if read and progress.elapsed_seconds else None
