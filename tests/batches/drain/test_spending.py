"""What calls cost, as the collector writes it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from batches import changes
from batches.drain import claims
from batches.drain.collector import Collector
from batches.drain.outcomes import Outcome
from batches.models import Attempt, Spending
from batches.queries.budgets import month_of
from batches.queries.means import setup_of
from batches.states import BatchStatus
from ocr import errors
from ocr.models import Engine
from ocr.reading import Reading, Usage
from tests.batches.drain.adapters import reading_of
from tests.batches.drain.test_claims import make_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def dear(db) -> Engine:
    return Engine.objects.create(
        name="Dear", kind=Engine.Kind.OPENAI_COMPATIBLE, model="reader", price_in=Decimal(10), price_out=Decimal(100)
    )


@pytest.fixture
def started(batch, make_cards, dear):
    make_cards(4, prepared_at=timezone.now())
    return changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now(), engine=dear, currency="USD")


@pytest.fixture
def worker(db):
    return make_worker("one")


@pytest.fixture
def save(started, worker):
    """Write a call for each usage or error that is given, in one transaction."""
    saving = Collector(worker.pk)

    def save(*happened, engine=None, at=None):
        cards = claims.take(started.pk, worker, len(happened))
        outcomes = []
        for card, one in zip(cards, happened, strict=True):
            told = {"error": one} if isinstance(one, Exception) else {"reading": _read(one)}
            setup = setup_of(started, engine or started.engine)
            outcomes.append(Outcome(card, started, setup, started_at=at or timezone.now(), duration=0.5, **told))
        saving.write(outcomes)
        started.refresh_from_db()
        return started

    return save


def _read(usage: Usage) -> Reading:
    made = reading_of()
    return Reading(fields=made.fields, usage=usage, model="reader")


def test_a_call_is_priced_in_its_attempt_its_batch_and_its_month(save, dear):
    batch = save(Usage(1_000, 100), Usage(2_000, 100))
    assert sorted(Attempt.objects.values_list("cost", flat=True)) == [Decimal("0.020000"), Decimal("0.030000")]
    assert (batch.cost, batch.calls, batch.unpriced) == (Decimal("0.050000"), 2, 0)
    month = Spending.objects.get()
    assert (month.engine, month.month) == (dear, month_of(timezone.now()))
    assert (month.calls, month.unpriced, month.tokens_in, month.tokens_out) == (2, 0, 3_000, 200)
    assert month.cost == Decimal("0.050000")


def test_a_month_adds_up_over_several_saves(save):
    save(Usage(1_000, 100))
    save(Usage(1_000, 100), Usage(0, 0))
    assert Spending.objects.get().cost == Decimal("0.040000")
    assert Spending.objects.get().calls == 3


def test_a_call_whose_cost_nobody_knows_is_counted_and_is_not_nothing(save):
    batch = save(errors.EngineTimeout("too slow"), Usage(1_000, 100))
    assert Attempt.objects.get(error="engine_timeout").cost is None
    assert (batch.calls, batch.unpriced, batch.cost) == (2, 1, Decimal("0.020000"))
    assert Spending.objects.get().unpriced == 1


def test_a_call_that_was_turned_away_leaves_the_sum_exact(save):
    batch = save(errors.RateLimited("slower"))
    assert (batch.calls, batch.unpriced) == (0, 0)
    assert not Spending.objects.exists()


def test_a_reply_that_was_paid_for_before_the_next_question_was_turned_away_is_paid(save):
    batch = save(errors.RateLimited("slower", usage=Usage(1_000, 100)))
    assert (batch.calls, batch.cost, batch.pending) == (1, Decimal("0.020000"), 4)
    assert Spending.objects.get().cost == Decimal("0.020000")


def test_a_failed_call_that_tells_its_tokens_is_paid(save):
    batch = save(errors.ReplyInvalid("no JSON", usage=Usage(1_000, 100)))
    assert batch.cost == Decimal("0.020000")


def test_what_is_read_on_this_machine_is_known_to_cost_nothing(save, engine):
    batch = save(Usage(), engine=engine)
    assert (batch.calls, batch.unpriced, batch.cost) == (1, 0, 0)
    assert not Spending.objects.exists()


def test_a_call_belongs_to_the_month_in_which_it_began_in_utc(save):
    save(Usage(1_000, 100), at=datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC))
    save(Usage(1_000, 100), at=datetime(2026, 11, 1, 0, 0, 1, tzinfo=UTC))
    assert sorted(Spending.objects.values_list("month", flat=True)) == [date(2026, 10, 1), date(2026, 11, 1)]


def test_two_currencies_are_not_added_up(save, dear):
    dear.currency = "EUR"
    dear.save()
    batch = save(Usage(1_000, 100), engine=dear)
    assert (batch.cost, batch.unpriced) == (0, 1)
    assert Spending.objects.get().cost == Decimal("0.020000")


def test_each_engine_has_a_month_of_its_own(save, dear):
    prices = {"price_in": Decimal(1), "price_out": Decimal(1)}
    other = Engine.objects.create(name="Other", kind=Engine.Kind.OPENAI_COMPATIBLE, **prices)
    save(Usage(1_000_000, 0), engine=other)
    save(Usage(1_000, 100), engine=dear)
    costs = dict(Spending.objects.values_list("engine__name", "cost"))
    assert costs == {"Other": Decimal("1.000000"), "Dear": Decimal("0.020000")}
