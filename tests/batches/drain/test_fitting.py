"""What an endpoint was found to take holds for all cards and for the next process, until the engine is changed."""

import itertools
from types import SimpleNamespace

import pytest

from batches.actions import runs
from batches.drain import worker
from batches.drain.engines import Engines
from batches.drain.service import Service
from batches.intake import adding
from batches.models import Attempt, Batch
from batches.states import BatchStatus
from ocr.models import Engine
from tests import vlm_server
from tests.conftest import FIELDS
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("batches.drain.engines.LONGEST_REST", 0.1)


@pytest.fixture
def server():
    with vlm_server.running() as server:
        yield server


@pytest.fixture
def engine(server):
    return Engine.objects.create(
        name="gpu", kind=Engine.Kind.OPENAI_COMPATIBLE, address=server.url, model="test-model", max_in_flight=1
    )


@pytest.fixture
def start(user, engine):
    def start(*cards, size=(1500, 1000)):
        batch = Batch.objects.create(name="Drawer 12", owner=user, engine=engine, fields=FIELDS)
        for card in cards:
            adding.add_file(batch, f"{card}.jpg", [vlm_server.card_image(card, size)])
        return runs.start(batch, user)

    return start


@pytest.fixture
def read_all(transactional_db):
    """Read a batch to its end by a process of its own, as it were."""

    def read_all(batch):
        service = Service(threads=2, engines=Engines(), batch_id=batch.pk)
        try:
            until(lambda: Batch.objects.get(pk=batch.pk).status == BatchStatus.COMPLETED)
        finally:
            service.stop(10)
        batch.refresh_from_db()
        return batch

    return read_all


def test_a_format_that_a_server_in_the_house_refuses_is_asked_for_once(start, read_all, server, engine):
    Engine.objects.update(place=Engine.Place.INSIDE)
    server.refused_formats = {"json_schema"}
    read_all(start(1, 2, 3, size=(160, 120)))
    assert len(server.calls) == 4, "the first one told"


def sides(server):
    return [max(call.image.size) for call in server.calls]


def test_an_image_that_is_too_large_is_sent_smaller_and_the_next_cards_at_once(server, engine, start, read_all):
    server.model.most_px = 1000
    batch = read_all(start(1, 2))
    assert (batch.completed, batch.failed) == (2, 0)
    assert sides(server) == [1500, 1125, 843, 843]
    engine.refresh_from_db()
    assert engine.profile["test-model"]["image_px"] == 843
    assert not Attempt.objects.exclude(error="").exists(), "what was refused for its size was no try"

    read_all(start(3))
    assert sides(server)[4:] == [843], "another process knows"


def test_an_image_that_would_not_be_legible_any_more_fails_with_its_own_code(server, start, read_all):
    server.model.most_px = 500
    batch = read_all(start(1))
    card = batch.cards.get()
    assert (card.status, card.error, card.tries) == ("failed", "image_too_large", 1)
    assert sides(server) == [1500, 1125, 843, 768]


def test_a_retry_sends_the_same_bytes(server, start, read_all):
    server.fail(1, "500", times=1)
    server.fail(1, "not_json", times=1)
    batch = read_all(start(1))
    assert batch.completed == 1
    assert len(server.calls) == 3
    assert len({call.sha256 for call in server.calls}) == 1


def test_what_was_refused_once_is_not_sent_again_by_anybody(server, engine, start, read_all):
    server.refused_formats = {"json_schema"}
    server.model.refused = {"temperature"}
    before = engine.updated_at
    read_all(start(1, size=(160, 120)))
    assert len(server.calls) == 3
    engine.refresh_from_db()
    assert engine.profile["test-model"]["formats"] == ["json_object", ""]
    assert engine.updated_at == before, "nobody has changed the engine"
    read_all(start(2, size=(160, 120)))
    assert len(server.calls) == 4


def test_a_server_that_loads_its_model_is_waited_for_without_a_try(server, start, read_all, monkeypatch):
    busy = iter(["Loading model", "server busy, please try again. maximum pending requests exceeded"])

    def refusal(payload, image, in_flight):
        said = next(busy, None)
        return (503, said) if said else None

    monkeypatch.setattr(server.model, "refusal", refusal)
    batch = read_all(start(1, size=(160, 120)))
    assert batch.cards.get().tries == 1
    assert list(Attempt.objects.order_by("pk").values_list("error", "counted")) == [
        ("engine_busy", False),
        ("engine_busy", False),
        ("", True),
    ]


def test_a_setting_that_cannot_be_left_out_fails_its_cards_at_once(server, start, read_all, monkeypatch):
    monkeypatch.setattr(server.model, "refusal", lambda *_call: (400, "Unknown parameter: 'messages'."))
    batch = read_all(start(1, size=(160, 120)))
    assert batch.cards.get().error == "parameter_refused"
    assert len(server.calls) == 1


def test_smaller_images_are_not_sent_when_the_cards_time_is_over(server, start, read_all, monkeypatch):
    later = itertools.count(1000, 1000)
    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=lambda: float(next(later))))
    server.model.most_px = 1000
    assert read_all(start(1)).cards.get().error == "image_too_large"
    assert sides(server) == [1500]


def test_a_model_that_takes_minutes_to_load_costs_no_card_a_try(server, engine, start, read_all, monkeypatch, settings):
    settings.PROBE_SECONDS = 0.1
    monkeypatch.setattr("ocr.probing.MODEL_LOADS", 1.0)
    Engine.objects.update(place=Engine.Place.INSIDE, timeout=1)
    engine.refresh_from_db()
    server.fail(lambda image: True, "timeout", times=2)
    batch = read_all(start(1, size=(160, 120)))
    assert (batch.completed, batch.cards.get().tries) == (1, 1)
    assert list(Attempt.objects.order_by("pk").values_list("error", "counted")) == [
        ("engine_timeout", False),
        ("engine_timeout", False),
        ("", True),
    ]
