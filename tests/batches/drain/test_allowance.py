"""Budgets, the pilot and the house: which cards may be handed out, and that nothing else is called."""

import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from batches import changes
from batches.actions import budgets as budget_actions
from batches.actions import runs
from batches.drain import claims, gate
from batches.drain.engines import Engines
from batches.drain.outages import Outages
from batches.drain.service import Service
from batches.models import Attempt, Batch, Card, Rereading, Spending
from batches.queries import budgets
from batches.states import BatchStatus, CardStatus, PauseReason
from ocr import errors
from ocr.models import Engine
from ocr.reading import Reading, Usage
from tests.batches.drain.adapters import Scripted
from tests.batches.drain.test_claims import make_worker
from tests.waiting import until

NAMES = [f"card-{n:02d}.jpg" for n in range(1, 13)]
ONE = Decimal("1.00")


@dataclass
class Priced(Scripted):
    """Each call tells its own cost: the same, or that of its image."""

    price: Decimal | None = ONE
    prices: dict[str, Decimal] = field(default_factory=dict)

    def read(self, image, task):
        made = super().read(image, task)
        usage = Usage(10, 5, self.prices.get(image.path.name, self.price))
        return Reading(fields=made.fields, usage=usage, model=made.model, raw="{}")


@pytest.fixture
def scripted() -> Priced:
    return Priced()


@pytest.fixture
def engine(db) -> Engine:
    """Told to cost a dollar a card: ten tokens of a hundred thousand dollars a million."""
    return Engine.objects.create(
        name="Router",
        kind=Engine.Kind.OPENAI_COMPATIBLE,
        address="https://router.example/v1",
        model="reader",
        price_in=Decimal(100_000),
        price_out=Decimal(0),
    )


def paused(batch: Batch, reason: PauseReason) -> Callable[[], Batch | None]:
    def look() -> Batch | None:
        fresh = Batch.objects.get(pk=batch.pk)
        return fresh if (fresh.status, fresh.pause_reason) == (BatchStatus.PAUSED, reason) else None

    return look


def done(batch: Batch) -> Callable[[], bool]:
    return lambda: Batch.objects.get(pk=batch.pk).status == BatchStatus.COMPLETED


def nothing_in_flight(batch: Batch) -> Callable[[], bool]:
    return lambda: not batch.cards.filter(worker__isnull=False).exists()


# -- budgets


@pytest.mark.django_db(transaction=True)
def test_the_sum_never_passes_the_budget_where_the_cost_is_steady(services, start_batch, scripted):
    batch = start_batch(*NAMES, budget=Decimal("5.00"))
    services(threads=8).wake(batch.pk)
    held = until(paused(batch, PauseReason.BUDGET))
    until(nothing_in_flight(batch))
    assert (held.cost, len(scripted.calls)) == (Decimal(5), 5)
    assert "$5.00" in held.pause_message
    assert "resume" in held.pause_message
    held.refresh_from_db()
    assert (held.completed, held.pending, held.failed) == (5, 7, 0)


@pytest.mark.django_db(transaction=True)
def test_what_does_not_fit_any_more_is_not_begun(services, start_batch, scripted):
    batch = start_batch(*NAMES, budget=Decimal("3.50"))
    services(threads=8).wake(batch.pk)
    held = until(paused(batch, PauseReason.BUDGET))
    assert held.cost == Decimal(3)
    assert "$3.50" in held.pause_message
    assert "$3.00" in held.pause_message


@pytest.mark.django_db(transaction=True)
def test_several_services_keep_one_budget(services, start_batch, scripted):
    batch = start_batch(*NAMES, budget=Decimal("5.00"))
    first, second = services(threads=4), services(threads=4)
    first.wake(batch.pk)
    second.wake(batch.pk)
    until(paused(batch, PauseReason.BUDGET))
    assert len(scripted.calls) == 5


@pytest.mark.django_db(transaction=True)
def test_cards_that_turn_out_dearer_pass_it_by_no_more_than_those_in_flight(services, start_batch, scripted):
    scripted.prices = {name: Decimal(4) for name in NAMES[4:]}
    batch = start_batch(*NAMES, budget=Decimal("8.00"))
    services(threads=4).wake(batch.pk)
    held = until(paused(batch, PauseReason.BUDGET))
    until(nothing_in_flight(batch))
    held.refresh_from_db()
    dear = [cost for cost in Attempt.objects.values_list("cost", flat=True) if cost == 4]
    assert held.cost >= 8
    assert len(scripted.calls) <= 8, "as many as were expected to fit"
    assert held.cost - held.budget <= sum(dear), "calls that had begun when it was not known that they are dear"
    assert len(scripted.calls) == held.completed, "and they are kept"


@pytest.mark.django_db
def test_until_a_cost_is_known_one_card_is_read_at_a_time(batch, engine, make_cards):
    make_cards(9, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, engine=engine, currency="USD", budget=Decimal("100.00"))
    first = make_worker("one")
    assert len(claims.take(batch.pk, first, 8)) == 1
    assert claims.take(batch.pk, make_worker("two"), 8) == []
    claims.give_back(first)
    Batch.objects.filter(pk=batch.pk).update(calls=1, cost=ONE)
    assert len(claims.take(batch.pk, first, 8)) == 8


@pytest.mark.django_db
def test_what_the_engine_cost_in_earlier_batches_is_known_from_the_start(batch, engine, make_cards, user):
    make_cards(9, prepared_at=timezone.now())
    Batch.objects.create(name="Earlier", owner=user, engine=engine, model="reader", currency="USD", calls=4, cost=2)
    changes.move_batch(batch, BatchStatus.QUEUED, engine=engine, currency="USD", budget=Decimal("2.00"))
    assert len(claims.take(batch.pk, make_worker("one"), 8)) == 4


@pytest.mark.django_db(transaction=True)
def test_a_budget_that_was_raised_is_read_on_to_the_end(services, start_batch, scripted):
    batch = start_batch(*NAMES, budget=Decimal("2.00"))
    service = services()
    service.wake(batch.pk)
    until(paused(batch, PauseReason.BUDGET))
    with pytest.raises(runs.CannotStart, match=r"\$2\.00"):
        runs.resume(batch)
    assert Batch.objects.get(pk=batch.pk).status == BatchStatus.PAUSED
    budget_actions.set_budget(batch, None)
    runs.resume(batch)
    service.wake(batch.pk)
    until(done(batch))
    assert sorted(scripted.calls) == NAMES, "no card was paid twice"


@pytest.mark.django_db(transaction=True)
def test_calls_of_unknown_cost_are_taken_to_cost_what_the_others_did(services, start_batch, scripted, engine):
    Engine.objects.filter(pk=engine.pk).update(price_in=None)
    Spending.objects.create(engine=engine, month=budgets.month_of(timezone.now()), calls=1, cost=ONE)
    scripted.script = {NAMES[3]: [errors.EngineTimeout("too slow")]}  # before any answer, it might be loading its model
    batch = start_batch(*NAMES, budget=Decimal("5.00"))
    services(threads=2).wake(batch.pk)
    held = until(paused(batch, PauseReason.BUDGET))
    until(nothing_in_flight(batch))
    held.refresh_from_db()
    assert (held.cost, held.unpriced, held.calls) == (Decimal(4), 1, 5)


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_that_never_tells_what_it_costs_is_stopped_after_three_cards(services, start_batch, engine):
    silent = Priced(price=None)
    Engine.objects.filter(pk=engine.pk).update(price_in=Decimal(1), price_out=Decimal(1))
    silent.read = lambda image, task, read=silent.read: _without_usage(read(image, task))  # type: ignore[method-assign]
    batch = start_batch(*NAMES, budget=Decimal("5.00"))
    services(adapter=silent).wake(batch.pk)
    held = until(paused(batch, PauseReason.BUDGET))
    assert len(silent.calls) == budgets.BLIND
    assert "nobody knows" in held.pause_message


def _without_usage(made: Reading) -> Reading:
    return Reading(fields=made.fields, model=made.model, raw="{}")


@pytest.mark.django_db(transaction=True)
def test_the_months_budget_holds_over_all_batches_of_an_engine(services, start_batch, scripted, engine):
    Engine.objects.filter(pk=engine.pk).update(month_budget=Decimal("5.00"))
    one, two = start_batch(*NAMES[:6], name="One"), start_batch(*NAMES[6:], name="Two")
    service = services(threads=8)
    service.wake(one.pk)
    service.wake(two.pk)
    until(lambda: paused(one, PauseReason.BUDGET)() and paused(two, PauseReason.BUDGET)())
    assert Spending.objects.get().cost == Decimal(5)
    assert len(scripted.calls) == 5
    assert "Router" in Batch.objects.get(pk=one.pk).pause_message


@pytest.mark.django_db
def test_a_new_month_begins_anew(batch, engine, make_cards):
    make_cards(3, prepared_at=timezone.now())
    engine.month_budget = Decimal("5.00")
    batch.engine, batch.calls, batch.cost = engine, 5, Decimal(5)
    Spending.objects.create(engine=engine, month=datetime(2026, 10, 1, tzinfo=UTC).date(), calls=5, cost=Decimal(5))
    october, november = datetime(2026, 10, 31, 23, 59, tzinfo=UTC), datetime(2026, 11, 1, 0, 1, tzinfo=UTC)
    assert [limit.room(0) for limit in budgets.limits(batch, engine, october)] == [0]
    assert [limit.room(0) for limit in budgets.limits(batch, engine, november)] == [5]


@pytest.mark.django_db
def test_another_engine_is_judged_by_what_it_has_told_itself(batch, engine, card):
    """Cards are read again: what the first engine cost says nothing of the second."""
    second = Engine.objects.create(name="Second", kind=Engine.Kind.OPENAI_COMPATIBLE, model="m")
    batch.engine, batch.calls, batch.cost, batch.budget = engine, 10, ONE, Decimal("5.00")
    assert not budgets.is_blind(batch, engine)
    assert budgets.is_blind(batch, second)
    Spending.objects.create(engine=second, month=budgets.month_of(timezone.now()), calls=2, cost=ONE)
    assert not budgets.is_blind(batch, second)
    for _ in range(budgets.BLIND):
        assert not budgets.is_blind(batch, second), "its next call may tell"
        card.attempts.create(engine=second, engine_name="Second", started_at=timezone.now())
    assert budgets.is_blind(batch, second)


@pytest.mark.django_db
def test_prices_that_are_entered_after_cards_were_read_without_them_count(batch, engine):
    Spending.objects.create(engine=engine, month=budgets.month_of(timezone.now()), calls=50, unpriced=50)
    batch.engine, batch.budget = engine, Decimal("5.00")
    assert not budgets.is_blind(batch, engine)
    assert budgets.used_up(batch, engine) == ""


@pytest.mark.django_db
def test_what_others_have_in_flight_is_counted_against_the_month(batch, engine, make_cards):
    make_cards(9, prepared_at=timezone.now())
    Engine.objects.filter(pk=engine.pk).update(month_budget=Decimal("5.00"))
    month = budgets.month_of(timezone.now())
    Spending.objects.create(engine=engine, month=month, calls=1, cost=ONE)
    changes.move_batch(batch, BatchStatus.QUEUED, engine=engine, calls=1, cost=ONE, currency="USD")
    assert len(claims.take(batch.pk, make_worker("one"), 3)) == 3
    assert len(claims.take(batch.pk, make_worker("two"), 3)) == 1
    assert Batch.objects.get(pk=batch.pk).status == BatchStatus.RUNNING, "what is in flight may turn out cheaper"


@pytest.mark.django_db
def test_of_a_batch_that_is_read_again_each_engine_has_its_own_cards_in_flight(batch, engine, make_cards):
    other = Engine.objects.create(name="Second", kind=Engine.Kind.OPENAI_COMPATIBLE, model="m")
    again = Rereading.objects.create(batch=batch, engine=other)
    Batch.objects.filter(pk=batch.pk).update(engine=engine, rereading=again)
    worker = make_worker("one")
    make_cards(2, worker=worker)
    make_cards(1, worker=worker, rereading=again)
    assert (budgets.flying_with(engine), budgets.flying_with(other)) == (2, 1)


def test_a_gate_is_closed_by_a_budget_before_anybody_has_paused_the_batch(batch, engine, make_cards):
    make_cards(1, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, engine=engine, currency="USD")
    holder = make_worker("one")
    card = claims.take(batch.pk, holder, 1)[0]
    asked = gate.Call(batch.pk, card.pk, holder.pk, card.claim, engine.pk)
    with gate.passing(asked):
        pass
    Batch.objects.filter(pk=batch.pk).update(budget=Decimal("1.00"), cost=ONE)
    with pytest.raises(gate.CallWithheld), gate.passing(asked):
        pass
    Batch.objects.filter(pk=batch.pk).update(budget=None)
    Engine.objects.filter(pk=engine.pk).update(month_budget=Decimal("1.00"))
    with gate.passing(asked):
        pass
    Spending.objects.create(engine=engine, month=budgets.month_of(timezone.now()), calls=1, cost=ONE)
    with pytest.raises(gate.CallWithheld), gate.passing(asked):
        pass


# -- the pilot


def begin(make_batch, user, *names, pilot=5, **fields) -> Batch:
    return runs.start(make_batch(*names, **fields), user, pilot=pilot)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("processes", [1, 2])
def test_the_first_cards_are_read_and_no_other(services, make_batch, user, scripted, processes):
    batch = begin(make_batch, user, *NAMES)
    for service in [services(threads=8) for _ in range(processes)]:
        service.wake(batch.pk)
    held = until(paused(batch, PauseReason.PILOT))
    assert sorted(scripted.calls) == NAMES[:5]
    assert (held.completed, held.pending, held.pilot) == (5, 7, 5)


@pytest.mark.django_db(transaction=True)
def test_going_on_reads_the_rest(services, make_batch, user, scripted):
    batch = begin(make_batch, user, *NAMES)
    service = services()
    service.wake(batch.pk)
    until(paused(batch, PauseReason.PILOT))
    assert runs.resume(batch).pilot is None
    service.wake(batch.pk)
    until(done(batch))
    assert sorted(scripted.calls) == NAMES


@pytest.mark.django_db(transaction=True)
def test_a_pilot_that_failed_and_is_retried_is_still_one(services, make_batch, user, scripted):
    scripted.script = {name: [errors.ReplyInvalid("no")] for name in NAMES[:5]}
    batch = begin(make_batch, user, *NAMES, options={"retries": 0})
    service = services()
    service.wake(batch.pk)
    until(paused(batch, PauseReason.PILOT))
    assert runs.retry_all(batch) == 5
    runs.resume(batch)
    service.wake(batch.pk)
    until(paused(batch, PauseReason.PILOT))
    assert sorted(scripted.calls) == sorted(NAMES[:5] * 2)


@pytest.mark.django_db(transaction=True)
def test_failures_and_further_tries_belong_to_the_pilot(services, make_batch, user, scripted):
    wrong = errors.ReplyInvalid("no JSON")
    scripted.script = {NAMES[0]: [wrong] * 5, NAMES[1]: [errors.EngineFailed("500")]}
    batch = begin(make_batch, user, *NAMES)
    services(threads=8).wake(batch.pk)
    held = until(paused(batch, PauseReason.PILOT))
    assert set(scripted.calls) == set(NAMES[:5])
    assert (held.completed, held.failed) == (4, 1)


@pytest.mark.django_db
def test_a_crash_in_the_pilot_begins_no_further_card(batch, engine, make_cards):
    make_cards(9, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, engine=engine, pilot=3, started_at=timezone.now())
    first = make_worker("one")
    taken = claims.take(batch.pk, first, 9)
    assert [card.position for card in taken] == [1, 2, 3]
    assert claims.take(batch.pk, make_worker("two"), 9) == []
    changes.move_cards(batch, Card.objects.filter(pk=taken[0].pk), CardStatus.PROCESSING, called_at=timezone.now())
    claims.give_back(first, crashed=True)
    again = claims.take(batch.pk, make_worker("three"), 9)
    assert sorted(card.position for card in again) == [1, 2, 3]


@pytest.mark.django_db
def test_what_a_person_entered_or_was_read_before_is_no_card_of_the_pilot(batch, engine, make_cards):
    make_cards(9, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, engine=engine, pilot=3, started_at=timezone.now())
    changes.move_cards(batch, batch.cards.filter(position=1), CardStatus.COMPLETED, finished_at=timezone.now())
    assert [card.position for card in claims.take(batch.pk, make_worker("one"), 9)] == [2, 3, 4]


@pytest.mark.django_db(transaction=True)
def test_a_stopped_pilot_reads_the_rest_when_it_is_asked_for(services, make_batch, user, scripted):
    batch = begin(make_batch, user, *NAMES)
    service = services()
    service.wake(batch.pk)
    until(paused(batch, PauseReason.PILOT))
    runs.cancel(batch)
    runs.resume(batch)
    service.wake(batch.pk)
    until(done(batch))
    assert len(scripted.calls) == len(NAMES)


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_is_no_larger_needs_no_pilot(make_batch, user):
    assert begin(make_batch, user, *NAMES[:5]).pilot is None


@pytest.mark.django_db(transaction=True)
def test_nobody_gets_a_pilot_unasked(make_batch, user):
    assert runs.start(make_batch(*NAMES), user).pilot is None
    assert runs.start(make_batch(*NAMES, name="Asked", options={"pilot": 4}), user).pilot == 4


# -- the house


class Met(list[str]):
    """Who connected, and to where."""

    address = ""


@pytest.fixture
def listener() -> Iterator[Met]:
    """A server that notes each connection."""
    met = Met()

    class Noting(http.server.BaseHTTPRequestHandler):
        def setup(self):
            met.append(str(self.client_address))
            super().setup()

        def log_message(self, format, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Noting)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    met.address = f"http://127.0.0.1:{server.server_port}/v1"
    yield met
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.mark.django_db(transaction=True)
def test_no_byte_leaves_the_house_though_the_engine_was_moved_after_the_start(
    settings, transactional_db, make_batch, user, engine, listener
):
    settings.ALLOW_PRIVATE_ENGINES = ["127.0.0.1"]
    address = listener.address
    Engine.objects.filter(pk=engine.pk).update(place=Engine.Place.INSIDE, address=address)
    batch = runs.start(make_batch(*NAMES, options={"stay_inside": True}), user)
    Engine.objects.filter(pk=engine.pk).update(place=Engine.Place.OUTSIDE)
    service = Service(threads=4, engines=Engines())
    try:
        held = until(paused(batch, PauseReason.CREDENTIALS))
        assert "must not leave the house" in held.pause_message
        with pytest.raises(runs.CannotStart, match="must not leave the house"):
            runs.resume(batch)
    finally:
        service.stop(10)
    assert listener == []
    assert not Attempt.objects.exists()


@pytest.mark.django_db
def test_the_gate_lets_nothing_out_of_the_house(batch, engine, make_cards):
    make_cards(1, prepared_at=timezone.now())
    Engine.objects.filter(pk=engine.pk).update(place=Engine.Place.INSIDE)
    changes.move_batch(batch, BatchStatus.QUEUED, engine=engine, options={"stay_inside": True})
    holder = make_worker("one")
    card = claims.take(batch.pk, holder, 1)[0]
    asked = gate.Call(batch.pk, card.pk, holder.pk, card.claim, engine.pk)
    with gate.passing(asked):
        pass
    Engine.objects.filter(pk=engine.pk).update(place=Engine.Place.OUTSIDE)
    with pytest.raises(gate.CallWithheld), gate.passing(asked):
        pass


@pytest.mark.django_db
def test_reading_goes_on_by_itself_when_the_engine_is_moved_inside_and_not_before(batch, engine, make_cards):
    make_cards(1, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, engine=engine, options={"stay_inside": True})
    assert claims.take(batch.pk, make_worker("one"), 1) == []
    looking = Outages(Engines())
    assert not looking.look([])
    engine.timeout = 60
    engine.save()
    assert not looking.look([]), "it was saved, and is outside still"
    engine.place = Engine.Place.INSIDE
    engine.save()
    assert looking.look([])
    assert Batch.objects.get(pk=batch.pk).status == BatchStatus.QUEUED


@pytest.mark.django_db(transaction=True)
def test_an_engine_outside_is_refused_at_the_start(make_batch, user):
    batch = make_batch(*NAMES[:2], options={"stay_inside": True})
    with pytest.raises(runs.CannotStart, match="must not leave the house"):
        runs.start(batch, user)
    assert Batch.objects.get(pk=batch.pk).is_draft


@pytest.mark.django_db(transaction=True)
def test_a_limit_in_another_currency_than_the_engine_charges_in_is_not_passed_unseen(batch, engine, make_cards):
    Engine.objects.filter(pk=engine.pk).update(kind="openai_compatible", price_in=1, price_out=1, currency="EUR")
    make_cards(2, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, engine=engine, currency="USD", budget=Decimal(5))
    assert claims.take(batch.pk, make_worker("one"), 9) == []
    batch.refresh_from_db()
    assert (batch.status, batch.pause_reason) == (BatchStatus.PAUSED, PauseReason.BUDGET)
    assert "cannot be kept: this engine charges in EUR" in batch.pause_message
    with pytest.raises(runs.CannotStart, match="charges in EUR"):
        runs.resume(batch)


def test_a_budget_that_nobody_can_keep_is_refused_at_the_start(make_batch, user, engine):
    Engine.objects.filter(pk=engine.pk).update(price_in=None, price_out=None)
    batch = make_batch(*NAMES[:2], budget=Decimal("5.00"))
    with pytest.raises(runs.CannotStart, match="nobody knows what a card costs"):
        runs.start(batch, user)
