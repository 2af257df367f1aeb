"""What was tried on cards of a draft: what came of it, whether it still holds, and what the start would keep."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from batches import progress
from batches.models import Batch, Card, CardResult, TryCard
from batches.queries import besides, budgets, house, results
from batches.queries.live import in_seconds
from batches.queries.means import pictures, read_key, setup_of
from batches.queries.results import Cell
from batches.states import CardStatus, ResultState
from ocr.errors import CallWithheld
from ocr.fields import FieldSpec
from ocr.models import Engine

CARDS = 3


def refusal(batch: Batch, engine: Engine) -> str:
    """Why this engine may not read a card of the batch now, in a sentence; empty: it may."""
    refused = besides.refusal(engine, batch.options) or house.refusal(batch, engine)
    return refused or budgets.used_up(batch, engine)


def must_wait(batch: Batch, engine: Engine) -> bool:
    """The budgets allow no call beside those that are out: what they cost tells more."""
    out = TryCard.objects.filter(finished_at=None).exclude(worker="")
    for limit in budgets.limits(batch, engine):
        if limit.engine_name:
            flying = budgets.flying_with(engine) + out.filter(tryout__batch__engine=engine).count()
        else:
            flying = out.filter(tryout__batch=batch).count()
        if flying and not limit.is_spent and limit.room(flying) == 0:
            return True
    return False


def readable(batch: Batch) -> QuerySet[Card]:
    """Cards that can be tried, in their order."""
    return batch.cards.filter(status=CardStatus.PENDING, error="").order_by("position", "pk")


def spread(batch: Batch) -> list[Card]:
    """As many as are tried, from the whole length of the batch: a drawer begins and ends with odd ones."""
    cards = readable(batch)
    number = cards.count()
    wanted = min(CARDS, number)
    places = {(2 * n + 1) * number // (2 * wanted) for n in range(wanted)}
    return [cards[place] for place in sorted(places)]


def kept(batch: Batch, engine: Engine | None) -> dict[int, CardResult]:
    """By card: the readings made with the means that hold now. At the start they are the cards' first ones."""
    tried = CardResult.objects.filter(card__batch=batch, state=ResultState.TRIED)
    found = list(tried.select_related("card__back", "engine").order_by("pk"))
    if engine is None or not found:
        return {}
    setup = setup_of(batch, engine)
    return {
        result.card_id: result
        for result in found
        if result.card.status == CardStatus.PENDING and result.read_key == read_key(setup, pictures(result.card))
    }


@dataclass(frozen=True, slots=True)
class Tried:
    """A card and what came of it. `state`: waiting, reading, read, failed."""

    card: Card
    state: str
    cells: dict[str, Cell]
    fresh: bool = True  # read with the means that hold now
    seconds: str = ""
    cost: str = ""
    sentence: str = ""
    advice: str = ""

    @property
    def name(self) -> str:
        return self.card.short_name

    @property
    def has_regions(self) -> bool:
        """Where its values stand is known, of some at least; otherwise the whole scan is shown."""
        return any(cell.regions for cell in self.cells.values())

    @property
    def marked(self) -> int:
        return sum(1 for cell in self.cells.values() if cell.mark)

    @property
    def values(self) -> int:
        return sum(1 for cell in self.cells.values() if cell.kind == "value")


@dataclass(frozen=True, slots=True)
class Line:
    """A field, and its cell of each card."""

    label: str
    cells: list[tuple[Tried, Cell | None]]


@dataclass(frozen=True, slots=True)
class Trial:
    cards: list[Tried]
    lines: list[Line]
    at: datetime | None
    seconds: str
    cost: str

    @property
    def going_on(self) -> bool:
        return any(one.state in {"waiting", "reading"} for one in self.cards)

    @property
    def reading(self) -> int:
        return sum(one.state in {"waiting", "reading"} for one in self.cards)

    @property
    def failed(self) -> int:
        return sum(one.state == "failed" for one in self.cards)

    @property
    def read(self) -> int:
        return sum(one.state == "read" for one in self.cards)

    @property
    def is_stale(self) -> bool:
        """Some of it was read with other fields, another engine, another instruction, or another scan."""
        return any(one.state == "read" and not one.fresh for one in self.cards)

    @property
    def holds(self) -> bool:
        """All of it was read with exactly what the start would freeze."""
        return bool(self.cards) and all(one.state == "read" and one.fresh for one in self.cards)

    @property
    def marked(self) -> int:
        return sum(one.marked for one in self.cards)

    @property
    def has_whole(self) -> bool:
        return not all(one.has_regions for one in self.cards)


def of(batch: Batch) -> Trial | None:
    """The last one; None: nothing was tried yet."""
    rows = list(
        TryCard.objects.filter(tryout__batch=batch)
        .select_related("card__back", "result", "tryout")
        .order_by("place", "pk")
    )
    if not rows:
        return None
    holding = {result.pk for result in kept(batch, batch.engine).values()}
    currency = batch.currency or (batch.engine.currency if batch.engine else "")
    cards = [_tried(row, batch, row.result_id in holding, currency) for row in rows]
    ended = [row.finished_at for row in rows if row.finished_at]
    took = [row.duration for row in rows if row.duration is not None]
    costs = [row.cost for row in rows if row.cost is not None]
    return Trial(
        cards,
        _lines(rows, cards),
        max(ended, default=None),
        in_seconds(sum(took)) if took else "",
        _money(sum(costs, Decimal(0)), currency) if len(costs) == len(rows) else "",
    )


def _money(cost: Decimal, currency: str) -> str:
    return progress.money(cost, currency) if cost else _("no cost")


def _tried(row: TryCard, batch: Batch, fresh: bool, currency: str) -> Tried:
    card = row.card
    card.batch = batch
    told: dict[str, Any] = {}
    if row.duration is not None:
        told["seconds"] = in_seconds(row.duration)
    if row.cost is not None:
        told["cost"] = _money(row.cost, currency)
    if row.finished_at is None:
        return Tried(card, "reading" if row.worker else "waiting", {})
    if row.result is None:
        return Tried(card, "failed", {}, fresh=True, **_why(row), **told)
    specs = [FieldSpec.from_dict(field) for field in row.fields]
    cells = {spec.key: results.cell(card, row.result, spec, None) for spec in specs}
    return Tried(card, "read", cells, fresh=fresh, **told)


def _why(row: TryCard) -> dict[str, Any]:
    if row.error == CallWithheld.reason:  # its own words say what to do
        return {"sentence": row.error_message or _("It was given up.")}
    if not row.error:
        return {"sentence": _("Its reading is not there any more."), "advice": _("Try again.")}
    return {"sentence": progress.error_sentence(row.error), "advice": progress.error_advice(row.error)}


def _lines(rows: Iterable[TryCard], cards: list[Tried]) -> list[Line]:
    """The fields that were asked for, in the order of the first reading; those of others behind them."""
    labels: dict[str, str] = {}
    for row in rows:
        for field in row.fields:
            labels.setdefault(field["key"], field["label"])
    return [Line(label, [(one, one.cells.get(key)) for one in cards]) for key, label in labels.items()]


def mark(batch: Batch) -> str:
    """What a person says yes to at the start: other fields, means, cards or readings are another mark."""
    parts: list[str] = [str(len(batch.fields))]
    if batch.engine is not None:
        parts.append(setup_of(batch, batch.engine).key)
    rows = TryCard.objects.filter(tryout__batch=batch).order_by("pk")
    parts += [f"{card} {result}" for card, result in rows.values_list("card", "result")]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:32]


def is_tried(batch: Batch) -> bool:
    return TryCard.objects.filter(tryout__batch=batch).exists()
