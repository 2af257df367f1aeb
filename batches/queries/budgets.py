"""Budgets of a batch and of an engine's month, what is left of them, and what a card is expected to cost."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from django.db.models import F, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from batches import progress
from batches.models import Attempt, Batch, Card, Spending
from ocr import probing
from ocr.models import Engine
from ocr.reading import Usage

EARLIER = 20  # batches that an expectation is the mean of
BLIND = 3  # calls without a known cost, and none with one: this endpoint does not tell


def month_of(moment: datetime) -> date:
    """Its first day, in UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """A budget and what of it is gone. Calls of unknown cost are taken to have cost what the others did."""

    budget: Decimal
    spent: Decimal
    expected: Decimal | None  # of one more card
    currency: str
    engine_name: str = ""  # of a month's budget; empty: the batch's own
    rough: bool = False  # some of what was spent is taken, not told
    blind: bool = False  # nobody will ever know what is spent
    foreign: str = ""  # the currency in which the engine charges, where that is another one: nothing to compare

    @property
    def left(self) -> Decimal:
        return max(Decimal(0), self.budget - self.spent)

    @property
    def is_spent(self) -> bool:
        return self.blind or bool(self.foreign) or self.spent >= self.budget

    def room(self, flying: int) -> int | None:
        """How many more calls may start beside those in flight; None: as many as one likes."""
        if self.is_spent:
            return 0
        if self.expected is None:
            return max(0, 1 - flying)  # the first card tells
        if not self.expected:
            return None
        return max(0, int(self.left / self.expected) - flying)

    def sentence(self) -> str:
        """What is used up, in figures, and what to do."""
        told = {"budget": progress.money(self.budget, self.currency), "name": self.engine_name}
        told["spent"] = progress.money(self.spent, self.currency)
        told["card"] = progress.money(self.expected or Decimal(0), self.currency)
        if self.foreign:
            foreign = _(
                "The limit of %(budget)s cannot be kept: this engine charges in %(currency)s. Take the limit away, or "
                "read with another engine."
            )
            return foreign % (told | {"currency": self.foreign})
        if self.blind:
            blind = _(
                "There is a limit of %(budget)s, but nobody knows what a card costs: this engine has no prices, and "
                "its answers do not tell. Enter its prices in the administration, or take the limit away."
            )
            return blind % told
        if self.engine_name:
            what = _("Of the month’s budget of %(budget)s for “%(name)s”, %(spent)s is spent.") % told
            do = _("An administrator can raise it; next month it begins anew.")
        else:
            what = _("Of this batch’s limit of %(budget)s, %(spent)s is spent.") % told
            do = _("Raise the limit, then resume.")
        if not self.is_spent:
            what += " " + _("A card costs about %(card)s: the next one would pass it.") % told
        return f"{what} {do}"


def limits(batch: Batch, engine: Engine, now: datetime | None = None) -> list[Limit]:
    """Those that the batch's next card would be paid from."""
    if engine.prices.free or (batch.budget is None and engine.month_budget is None):
        return []
    expected = card_cost(batch, engine)
    found = []
    if batch.budget is not None and batch.currency not in {"", engine.currency}:
        found.append(Limit(batch.budget, batch.cost, None, batch.currency, foreign=engine.currency))
    elif batch.budget is not None:
        rough = batch.unpriced * (expected or Decimal(0))
        limit = Limit(batch.budget, batch.cost + rough, expected, batch.currency or engine.currency, "")
        found.append(_with_doubts(limit, rough, batch, engine))
    if engine.month_budget is not None:
        month = Spending.objects.filter(engine=engine, month=month_of(now or timezone.now())).first() or Spending()
        rough = month.unpriced * (expected or Decimal(0))
        limit = Limit(engine.month_budget, month.cost + rough, expected, engine.currency, engine.name)
        found.append(_with_doubts(limit, rough, batch, engine))
    return found


def _with_doubts(limit: Limit, rough: Decimal, batch: Batch, engine: Engine) -> Limit:
    blind = limit.expected is None and is_blind(batch, engine)
    return Limit(
        limit.budget, limit.spent, limit.expected, limit.currency, limit.engine_name, rough=bool(rough), blind=blind
    )


def used_up(batch: Batch, engine: Engine | None) -> str:
    """Why no card may be begun, in a sentence; empty: one may."""
    found = limits(batch, engine) if engine else []
    return next((limit.sentence() for limit in found if limit.room(0) == 0), "")


def is_blind(batch: Batch, engine: Engine) -> bool:
    """Nobody knows what a card costs, nor will the next calls tell."""
    if engine.prices.free:
        return False
    if batch.engine_id == engine.pk and batch.calls >= BLIND:
        return batch.calls == batch.unpriced
    if batch.engine_id != engine.pk:  # cards are read again: what the first engine told says nothing of this one
        silent = Attempt.objects.filter(card__batch=batch, engine=engine, error="", cost=None)
        if silent[:BLIND].count() == BLIND:
            return True
    told = Spending.objects.filter(engine=engine, calls__gt=F("unpriced"))
    return not engine.prices.known and not told.exists()


def card_cost(batch: Batch, engine: Engine) -> Decimal | None:
    """The mean of this batch's calls; until there are some, of the engine's last ones with this model, or what its
    test took; None: nobody knows.
    """
    if engine.prices.free:
        return Decimal(0)
    priced = batch.calls - batch.unpriced
    if priced > 0 and batch.engine_id == engine.pk:
        return batch.cost / priced
    again = batch.rereading if batch.engine_id != engine.pk else None
    model = (again.model if again else batch.model) or engine.model
    earlier = earlier_cost(engine, model)
    return tested_cost(engine, model) if earlier is None else earlier


def tested_cost(engine: Engine, model: str) -> Decimal | None:
    tested = probing.last(engine, model)
    return engine.prices.of(Usage(tested.tokens_in, tested.tokens_out)) if tested else None


def earlier_cost(engine: Engine, model: str) -> Decimal | None:
    last = Batch.objects.filter(engine=engine, model=model, currency=engine.currency, calls__gt=F("unpriced"))
    ids = list(last.order_by("-pk").values_list("pk", flat=True)[:EARLIER])
    sums = Batch.objects.filter(pk__in=ids).aggregate(cost=Sum("cost"), calls=Sum("calls"), unpriced=Sum("unpriced"))
    return sums["cost"] / (sums["calls"] - sums["unpriced"]) if ids else None


def flying(batch: Batch) -> int:
    """Cards that are being read, or are about to be."""
    return Card.objects.filter(batch=batch, worker__isnull=False).count()


def flying_with(engine: Engine) -> int:
    """The same over all batches."""
    by = Q(rereading=None, batch__engine=engine) | Q(rereading__engine=engine)
    return Card.objects.filter(by, worker__isnull=False).count()
