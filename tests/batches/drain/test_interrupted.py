"""The database goes away in mid-step and comes back: no thread, card, try or test stays behind."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from batches.actions import runs, trying
from batches.actions.engines import ask_test
from batches.drain import claims, preparation, probing, sweeper, tries
from batches.drain import trying as drain
from batches.drain.engines import Engines
from batches.drain.presence import Presence
from batches.drain.probing import Probing
from batches.drain.worker import Job, Reader
from batches.intake import derive
from batches.models import Batch, Card, Spending, TryCard
from batches.queries.means import setup_of
from ocr import errors
from ocr import probing as kept
from ocr.models import Engine, Probe
from ocr.probe.findings import Check, Finding, Report, State
from tests.batches.drain.test_trying import tried
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

Interrupt = Callable[..., list[int]]


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """The first calls of this end like one in an outage, before or after what they do; and how often it was called."""

    def patch(owner: Any, name: str, times: int = 1, *, after: bool = False) -> list[int]:
        real, calls = getattr(owner, name), [0]

        def called(*args: Any, **kwargs: Any) -> Any:
            calls[0] += 1
            if calls[0] > times:
                return real(*args, **kwargs)
            if after:
                real(*args, **kwargs)
            raise OperationalError("server closed the connection\nunexpectedly")

        monkeypatch.setattr(owner, name, called)
        return calls

    return patch


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "UNKNOWN_FOR", 0.1)
    monkeypatch.setattr("batches.drain.service.EVERY", 0.05)
    monkeypatch.setattr(drain, "EVERY", 0.05)


def is_read(batch: Batch) -> bool:
    return Batch.objects.get(pk=batch.pk).status == "completed"


def test_a_limit_that_no_other_process_can_be_told_of_costs_no_thread(services, start_batch, scripted, interrupt):
    scripted.script["a.jpg"] = [errors.RateLimited("429", retry_after=0.1)]
    rested = interrupt(Engines, "rest", after=True)
    batch = start_batch("a.jpg", "b.jpg", "c.jpg")
    services(threads=1)
    until(lambda: is_read(batch))
    assert (rested, sorted(scripted.calls)) == ([1], ["a.jpg", "a.jpg", "b.jpg", "c.jpg"])


def test_tries_that_an_outage_cost_are_given_back_once_the_database_answers(start_batch, engine, monkeypatch):
    batch = start_batch("a.jpg", "b.jpg")
    card, other = batch.cards.order_by("position")
    monkeypatch.setattr(Engines, "failed", lambda *_given: False)
    monkeypatch.setattr(Engines, "owed", lambda *_given: {other.pk: 2})
    told, asked = [], []

    def goes_away(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "batches_card" in sql and len(asked) < 3:
            asked.append(sql)
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    engine.kind, engine.address = "openai_compatible", "http://127.0.0.1:9"
    reader = Reader(Engines(), told.append, threading.Event())
    with connection.execute_wrapper(goes_away):
        reader._back_off(Job(card, batch, setup_of(batch, engine)), errors.EngineUnreachable("no route"), 0.0)
    assert [(refund.card, refund.tries) for refund in told] == [(other, 2)]


def test_whatever_goes_wrong_in_it_a_thread_goes_on_and_its_card_is_read(services, start_batch, interrupt, caplog):
    interrupt(Reader, "_outcome")
    batch = start_batch("a.jpg", "b.jpg")
    services(threads=1)
    until(lambda: is_read(batch))
    assert "what came of it could not be told" in caplog.text
    assert "1 cards were held and not known here any more; they wait again." in caplog.text


def test_a_card_whose_preparation_was_interrupted_is_prepared_soon(services, start_batch, interrupt, monkeypatch):
    prepared = interrupt(derive, "prepare", 2)
    monkeypatch.setattr(preparation, "REST", 0.05)
    batch = start_batch("a.jpg")
    services()
    until(lambda: is_read(batch), preparation.AGAIN_AFTER / 2)
    assert prepared == [3]


def test_cards_that_were_claimed_without_an_answer_are_read(services, start_batch, interrupt):
    interrupt(claims, "take", after=True)
    batch = start_batch("a.jpg", "b.jpg")
    services()
    until(lambda: is_read(batch))


def test_cards_that_could_not_be_given_back_are_read_later(services, start_batch, scripted, interrupt):
    """Here: they stay held, and nothing waits for them."""
    batch = start_batch("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    released = interrupt(claims, "release")
    scripted.hold = threading.Event()
    service = services(threads=1)
    until(lambda: scripted.calls)
    runs.pause(batch)
    service.wake(batch.pk)
    until(lambda: released[0])
    scripted.hold.set()
    until(lambda: not Card.objects.exclude(worker=None).exists())
    runs.resume(Batch.objects.get(pk=batch.pk))
    until(lambda: is_read(batch))


def test_what_is_known_or_was_claimed_anew_stays_held(start_batch, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(sweeper, "time", SimpleNamespace(monotonic=lambda: now[0]))
    batch = start_batch("a.jpg", "b.jpg", "c.jpg")
    here = Presence()
    Card.objects.update(worker=here.worker, prepared_at=timezone.now(), claim=3)
    known, lost, again = batch.cards.order_by("position")
    sweeping = sweeper.Sweeper(here.worker, lambda: [known.pk])
    sweeping.let_go()
    assert Card.objects.filter(worker=here.worker).count() == 3, "one may just have been claimed"
    Card.objects.filter(pk=again.pk).update(claim=4)
    now[0] = 1.0
    sweeping.let_go()
    assert list(Card.objects.filter(worker=here.worker).order_by("position")) == [known, again]
    assert Card.objects.get(pk=lost.pk).lease_until is None
    here.leave()


def test_a_try_is_kept_once_the_database_answers_and_not_paid_twice(make_batch, services, user, scripted, interrupt):
    batch = make_batch("a.jpg")
    settled = interrupt(tries, "settle", 2)
    services()
    trying.ask(batch, user)
    assert (tried(batch).cards[0].state, settled, scripted.calls) == ("read", [3], ["a.jpg"])


def test_a_try_that_could_not_begin_is_begun_again(make_batch, services, user, scripted, interrupt):
    batch = make_batch("a.jpg")
    begun = interrupt(drain, "setup_of", 2)
    services()
    trying.ask(batch, user)
    assert (tried(batch).cards[0].state, begun) == ("read", [3])


def test_a_try_of_which_this_process_knows_nothing_is_ended(make_batch, services, user, scripted):
    batch = make_batch("a.jpg")
    service = services()
    trying.ask(batch, user)
    tried(batch)
    TryCard.objects.update(worker=service.worker.uid, finished_at=None, result=None)
    tried(batch)
    assert TryCard.objects.get().error == "broken_off"
    assert len(scripted.calls) == 1


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine that is to be tested; it is found to answer."""
    engine = Engine.objects.create(name="box", kind="openai_compatible", address="http://127.0.0.1:9", model="m")

    def examined(engine: Engine, model: str, **_options: Any) -> Report:
        report = Report((Finding(Check.REACHED, State.OK, "reached"),))
        kept.keep(engine, model, report)
        return report

    monkeypatch.setattr(kept, "examine", examined)
    ask_test(engine)
    return engine


@pytest.mark.parametrize("step", ["spending.book", "Engine.refresh_from_db"])
def test_a_test_is_over_once_the_database_answers(asked: Engine, interrupt: Interrupt, step: str):
    here = Presence()
    called = (
        interrupt(probing.spending, "book", 2) if step == "spending.book" else interrupt(Engine, "refresh_from_db", 2)
    )
    Probing(here.worker, Engines()).probe_all()
    assert called == [3]
    assert kept.last(Engine.objects.get()).works
    assert not Probe.objects.exists()
    assert not Spending.objects.exists()
    here.leave()


def test_a_test_of_which_this_process_knows_nothing_is_ended(asked: Engine):
    here = Presence()
    Probe.objects.update(worker=here.worker.uid, begun_at=timezone.now())
    Probing(here.worker, Engines()).probe_all()
    assert not kept.last(Engine.objects.get()).works
    assert not Probe.objects.exists()
    here.leave()
