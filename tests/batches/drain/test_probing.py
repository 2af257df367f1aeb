"""Tests of engines in the consumer: asked for by a row, done once, never lost for ever."""

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from batches.actions import runs
from batches.actions.engines import ask_test
from batches.drain import engines as drain_engines
from batches.drain import probing as drain_probing
from batches.drain import service as services
from batches.drain.engines import Engines
from batches.drain.presence import Presence
from batches.drain.probing import Probing
from batches.drain.threads import Rounds
from batches.intake import adding
from batches.models import Batch, Spending
from cardocr_site.accounts.models import User
from ocr import people, probing, sealing
from ocr.engines.base import EngineConfig
from ocr.engines.profile import Profile
from ocr.models import Engine, Probe
from ocr.probe.findings import Check, Finding, Report, State, Stopped
from tests import vlm_server
from tests.batches.drain.adapters import Scripted
from tests.conftest import FIELDS
from tests.waiting import until


@pytest.fixture
def server() -> Iterator[vlm_server.Server]:
    with vlm_server.running() as server:
        yield server


@pytest.fixture
def endpoint(db: None, server: vlm_server.Server) -> Engine:
    return Engine.objects.create(
        name="box", kind="openai_compatible", address=server.url, model="test-model", max_in_flight=1
    )


@pytest.fixture
def presence(db: None) -> Iterator[Presence]:
    presence = Presence()
    yield presence
    presence.leave()


def kept(engine: Engine) -> probing.Kept | None:
    return probing.last(Engine.objects.get(pk=engine.pk))


def test_a_test_that_was_asked_for_is_done_and_kept(endpoint: Engine, presence: Presence) -> None:
    ask_test(endpoint)
    Probing(presence.worker, Engines()).probe_all()
    found = kept(endpoint)
    assert found is not None
    assert found.works
    assert not Probe.objects.exists()


def test_what_it_costs_belongs_to_the_engines_month(
    endpoint: Engine, presence: Presence, server: vlm_server.Server
) -> None:
    ask_test(endpoint)
    Probing(presence.worker, Engines()).probe_all()
    month = Spending.objects.get()
    assert (month.engine, month.calls, month.unpriced) == (endpoint, len(server.calls), 0)
    assert (month.tokens_in, month.cost) == (1200 * month.calls, Decimal("0.00039") * month.calls), "as it tells itself"


def test_so_does_what_was_paid_before_it_was_stopped(
    endpoint: Engine, presence: Presence, server: vlm_server.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_test(endpoint)
    tests = Probing(presence.worker, Engines())
    monkeypatch.setattr(Rounds, "is_stopping", property(lambda _rounds: len(server.calls) >= 2))
    tests._probe(Probe.objects.get())
    assert (Spending.objects.get().calls, Probe.objects.get().worker) == (2, "")


def test_nothing_is_booked_where_nothing_was_asked(endpoint: Engine) -> None:
    drain_probing.examine(endpoint, calls=False)
    assert not Spending.objects.exists()


def test_no_card_is_read_with_an_engine_that_is_tested(endpoint: Engine) -> None:
    engines = Engines()
    engines.enter(endpoint)
    seen: list[int] = []

    def test() -> None:
        with engines.set_aside(endpoint, lambda: False):
            seen.append(engines.room(endpoint))

    thread = threading.Thread(target=test)
    thread.start()
    thread.join(0.2)
    assert seen == [], "a card's call is out"
    assert engines.room(endpoint) == 0
    engines.leave(endpoint)
    thread.join(10)
    assert seen == [0]
    assert engines.room(endpoint) == 1


@pytest.mark.django_db(transaction=True)
def test_a_test_during_a_run_keeps_to_the_engines_calls_at_a_time(
    server: vlm_server.Server, user: User, settings: Any
) -> None:
    settings.ALLOW_PRIVATE_ENGINES = ["127.0.0.1"]
    engine = Engine.objects.create(
        name="box", kind="openai_compatible", address=server.url, model="test-model", max_in_flight=1
    )
    server.delay = 0.05
    batch = Batch.objects.create(name="Drawer 12", owner=user, engine=engine, fields=FIELDS)
    for card in range(8):
        adding.add_file(batch, f"{card}.jpg", [vlm_server.card_image(card, (160, 120))])
    batch = runs.start(batch, user)
    service = services.Service(threads=2)
    try:
        service.wake(batch.pk)
        until(lambda: len(server.calls) >= 2)
        Probe.objects.create(engine=engine)
        service.test(engine.pk)
        until(lambda: Batch.objects.get(pk=batch.pk).completed == 8 and not Probe.objects.exists(), 30)
        assert server.most_in_flight == 1
        assert len(server.calls) == 8 + 4, "the cards', and the test's"
    finally:
        service.stop(5)


def test_it_is_made_with_the_key_of_who_asked_where_that_was_meant(
    endpoint: Engine, presence: Presence, server: vlm_server.Server, user: User
) -> None:
    people.set_key(user, endpoint, "sk-ingrid")
    server.key = "sk-ingrid"
    ask_test(endpoint, "", user)
    Probing(presence.worker, Engines()).probe_all()
    found = kept(endpoint)
    assert found is not None
    assert (found.works, found.key_of) == (True, "Ingrid Solberg")
    Engine.objects.update(sealed_key=sealing.seal("sk-house"))
    ask_test(Engine.objects.get(), "", user)
    Probing(presence.worker, Engines()).probe_all()
    found = kept(endpoint)
    assert found is not None
    assert (found.works, found.key_of) == (False, "")


def test_two_clicks_are_one_test(endpoint: Engine, presence: Presence, server: vlm_server.Server) -> None:
    assert ask_test(endpoint)
    assert not ask_test(endpoint)
    Probing(presence.worker, Engines()).probe_all()
    assert len(server.calls) == 4


def test_what_another_process_tests_is_left_alone(endpoint: Engine, presence: Presence) -> None:
    other = Presence()
    ask_test(endpoint)
    Probe.objects.update(worker=other.worker.uid, begun_at=timezone.now())
    Probing(presence.worker, Engines()).probe_all()
    assert kept(endpoint) is None
    other.leave()


def test_a_test_whose_process_died_is_ended_and_says_so(
    endpoint: Engine, presence: Presence, server: vlm_server.Server
) -> None:
    ask_test(endpoint)
    Probe.objects.update(worker="gone", begun_at=timezone.now())
    Probing(presence.worker, Engines()).probe_all()
    found = kept(endpoint)
    assert found is not None
    assert found.findings == (Finding(Check.REACHED, State.FAILED, "broken_off"),)
    assert not Probe.objects.exists()
    assert server.calls == []


def test_a_stop_gives_the_test_back(endpoint: Engine, presence: Presence, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_arguments: Any, **_options: Any) -> Report:
        raise Stopped

    monkeypatch.setattr(probing, "examine", stopped)
    ask_test(endpoint)
    Probing(presence.worker, Engines()).probe_all()
    assert Probe.objects.get().worker == ""
    assert kept(endpoint) is None


def test_a_mistake_of_ours_does_not_begin_it_again_for_ever(
    endpoint: Engine, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: Any, **_options: Any) -> Report:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(probing, "examine", broken)
    ask_test(endpoint)
    Probing(presence.worker, Engines()).probe_all()
    found = kept(endpoint)
    assert found is not None
    assert not found.works
    assert not Probe.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_service_tests_what_is_asked_for(server: vlm_server.Server) -> None:
    engine = Engine.objects.create(
        name="box", kind="openai_compatible", address=server.url, model="test-model", max_in_flight=1
    )
    service = services.Service(threads=1)
    try:
        Probe.objects.create(engine=engine)
        service.test(engine.pk)
        until(lambda: not Probe.objects.exists(), 30)
        assert kept(engine) is not None
    finally:
        service.stop(5)


def keep(engine: Engine, together: int, *, no_more: bool) -> Engine:
    probing.keep(engine, "", Report((), together=together, no_more=no_more))
    return Engine.objects.get(pk=engine.pk)


@pytest.fixture
def outside(db: None) -> Engine:
    return Engine.objects.create(name="router", kind="openai_compatible", address="https://x.example/v1", model="m")


def test_a_run_outside_begins_with_what_the_test_found(outside: Engine, settings: Any) -> None:
    settings.EXTRACTION_THREADS = 16
    assert Engines().room(outside) == 16
    engine = keep(outside, 4, no_more=False)
    assert Engines().room(engine) == 4
    assert drain_engines.cap(engine) == 16  # it may climb


def test_a_run_in_the_house_begins_with_one_and_climbs_as_far_as_was_found(outside: Engine, settings: Any) -> None:
    settings.EXTRACTION_THREADS = 16
    outside.place = Engine.Place.INSIDE
    outside.save()
    engine = keep(outside, 2, no_more=True)
    engines = Engines()
    assert engines.room(engine) == 1
    for card in range(5):
        engines.answered(engine, card)
    assert engines.room(engine) == 2


def test_what_an_administrator_allows_counts_more_than_a_test(outside: Engine) -> None:
    outside.max_in_flight = 3
    outside.save()
    assert drain_engines.cap(keep(outside, 2, no_more=True)) == 3


def test_a_test_during_a_run_changes_what_its_next_calls_ask_for(outside: Engine) -> None:
    built: list[EngineConfig] = []
    made: list[Scripted] = []

    def build(config: EngineConfig) -> Scripted:
        built.append(config)
        made.append(Scripted())
        return made[-1]

    engines = Engines(build)
    engines.adapter(outside, "m")
    probing.keep(outside, "", Report((), profile=Profile(temperature=False)))
    engines.tested(Engine.objects.get(pk=outside.pk))
    engines.adapter(outside, "m")  # the run has looked its engine up before
    assert not made[0].closed, "calls in flight end with the adapter that they have"
    engines.enter(outside)
    engines.leave(outside)
    assert [adapter.closed for adapter in made] == [True, False]
    assert [config.profile.get("temperature") for config in built] == [None, False]


def test_a_test_during_a_run_changes_how_many_calls_it_makes(outside: Engine) -> None:
    engines = Engines()
    assert engines.room(outside) > 2
    engine = keep(outside, 2, no_more=True)
    engines.tested(engine)
    assert engines.room(engine) == 2
