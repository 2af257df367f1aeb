"""Tests of engines in the consumer: asked for by a row, done once, never lost for ever."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from batches.actions.engines import ask_test
from batches.drain import engines as drain_engines
from batches.drain import service as services
from batches.drain.engines import Engines
from batches.drain.presence import Presence
from batches.drain.probing import Probing
from ocr import probing
from ocr.models import Engine, Probe
from ocr.probe.findings import Check, Finding, Report, State, Stopped
from tests import vlm_server
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


def test_a_test_during_a_run_changes_how_many_calls_it_makes(outside: Engine) -> None:
    engines = Engines()
    assert engines.room(outside) > 2
    engine = keep(outside, 2, no_more=True)
    engines.tested(engine)
    assert engines.room(engine) == 2
