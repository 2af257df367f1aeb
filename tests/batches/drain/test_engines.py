"""How many calls an engine gets, and when none."""

from datetime import timedelta

import pytest
from django.utils import timezone

from batches.drain import engines as engines_module
from batches.drain import flow
from batches.drain.breaker import Failure
from batches.drain.engines import Engines, cap, host
from ocr.engines.base import EngineConfig
from ocr.models import Engine
from tests.batches.drain.adapters import Scripted


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    for module in (engines_module, flow):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def reader(db) -> Engine:
    kind = Engine.Kind.OPENAI_COMPATIBLE
    return Engine.objects.create(name="gpu", kind=kind, address="http://me:secret@gpu2:8000/v1", place="outside")


@pytest.fixture
def engines() -> Engines:
    return Engines(lambda config: Scripted())


def test_an_engine_outside_begins_with_all_its_calls(engines, reader, settings):
    settings.EXTRACTION_THREADS = 16
    assert engines.room(reader) == cap(reader) == 16
    engines.enter(reader)
    assert engines.room(reader) == 15
    engines.leave(reader)
    assert engines.room(reader) == 16


def test_an_engine_in_the_house_begins_with_one_call_and_climbs(engines, reader):
    reader.place, reader.max_in_flight = Engine.Place.INSIDE, 6
    seen = []
    for card in range(7):
        seen.append(engines.room(reader))
        engines.answered(reader, card)
    assert seen == [1, 2, 3, 4, 5, 6, 6]


def test_a_burst_of_rate_limits_halves_once_and_answers_raise_it_one_by_one(engines, reader, clock):
    reader.max_in_flight = 8
    for _ in range(5):
        engines.rest(reader, 2.0, begun=clock.now - 1 if _ else clock.now)
    assert engines.room(reader) == 0, "it rests"
    clock.now += 2.1
    assert engines.room(reader) == 4
    for card in range(4):
        engines.answered(reader, card)
    assert engines.room(reader) == 5
    for card in range(4):
        engines.answered(reader, card)
    assert engines.room(reader) == 5, "a round is five now"


def test_who_is_refused_after_each_rest_that_was_asked_for_waits_longer(engines, reader, clock):
    rests = []
    for _ in range(6):
        rests.append(engines.rest(reader, 1.0, begun=clock.now))
        clock.now += rests[-1]
    assert rests[:3] == [1.0, 1.0, 1.0]
    assert [rest >= least for rest, least in zip(rests[3:], (6, 12, 24), strict=True)] == [True] * 3
    engines.answered(reader, 1)
    assert engines.rest(reader, 1.0, begun=clock.now) == 1.0


def test_without_retry_after_rests_double_with_jitter(engines, reader, clock):
    rests = []
    for _ in range(9):
        clock.now += 100
        rests.append(engines.rest(reader, None, begun=clock.now))
    for rest, wanted in zip(rests, [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True):
        assert 0.75 * wanted <= rest <= 1.25 * wanted
    assert engines.rest(reader, 300.0, begun=clock.now) == 300.0


def test_an_engine_that_does_not_answer_gets_one_probe_at_a_time(engines, reader, settings):
    settings.PROBE_SECONDS = 0.0
    for card in range(5):
        engines.failed(reader, Failure(card, 0.0))
    assert engines.hold(reader) is None, "the time between probes is nought here"
    assert engines.wants_probe(reader)
    assert engines.room(reader) == 1
    assert engines.enter(reader) is True
    assert engines.room(reader) == 0
    assert not engines.wants_probe(reader)
    engines.leave(reader, probe=True)
    engines.answered(reader, 9)
    assert engines.room(reader) == 2, "after an outage it climbs from one"


def test_a_hold_names_the_host_and_nothing_secret(engines, reader):
    engines.failed(reader, Failure(1, 0.0, no_connection=True))
    hold = engines.hold(reader)
    assert hold is not None
    assert (hold.reason, hold.message) == ("endpoint", "gpu2:8000 does not answer")
    assert hold.seconds == pytest.approx(5.0, abs=0.5)
    assert host(Engine(name="OCR")) == "OCR"


def test_a_refused_key_holds_until_the_engine_is_saved(engines, reader):
    engines.refuse(reader, "The endpoint wants to be paid (402).")
    assert engines.room(reader) == 0
    assert engines.hold(reader).reason == "credentials"
    reader.updated_at += timedelta(seconds=1)
    assert engines.hold(reader) is None
    assert engines.room(reader) == 1


def test_the_first_answer_of_a_server_in_the_house_may_take_five_minutes(reader):
    built: list[EngineConfig] = []

    def build(config: EngineConfig) -> Scripted:
        built.append(config)
        return Scripted()

    reader.address, engines = "http://127.0.0.1:8000/v1", Engines(build)
    for place, model, answer in (
        ("outside", "a", False),
        ("inside", "a", True),
        ("inside", "a", False),
        ("inside", "b", False),
    ):
        reader.place = place
        engines.adapter(reader, model)
        if answer:
            engines.answered(reader, 1, model)
    assert [(config.model, config.timeout) for config in built] == [("a", 120), ("a", 300), ("b", 300)]


def test_a_rest_is_told_to_every_process_that_reads(engines, reader):
    reader.max_in_flight = 8
    saved = reader.updated_at
    engines.rest(reader, 30.0)
    row = Engine.objects.get(pk=reader.pk)
    assert row.updated_at == saved, "nobody has saved it: nothing is tried anew for it"
    assert 28 < (row.rest_until - timezone.now()).total_seconds() <= 30

    other = Engines(lambda config: Scripted())
    row.max_in_flight = 8
    assert other.room(row) == 8
    other.heed(row)
    assert other.room(row) == 0
    row.rest_until -= timedelta(seconds=60)
    fresh = Engines(lambda config: Scripted())
    fresh.heed(row)
    assert fresh.room(row) == 8, "that is over"


def test_a_moment_is_not_told_and_a_shorter_rest_does_not_end_a_longer_one(engines, reader):
    engines.rest(reader, 0.5)
    assert Engine.objects.get(pk=reader.pk).rest_until is None
    engines.rest(reader, 60.0)
    until = Engine.objects.get(pk=reader.pk).rest_until
    Engines(lambda config: Scripted()).rest(reader, 10.0)
    assert Engine.objects.get(pk=reader.pk).rest_until == until


def test_a_server_in_the_house_may_be_loading_until_the_model_has_answered(engines, reader):
    assert not engines.may_be_loading(reader, "a")
    reader.place = Engine.Place.INSIDE
    assert engines.may_be_loading(reader, "a")
    engines.answered(reader, 1, "a")
    assert not engines.may_be_loading(reader, "a")
    assert engines.may_be_loading(reader, "b")
