"""Engines, search and figures through the calls."""

import pytest

from batches.models import Attempt, Batch, Card, FieldRevision
from batches.states import BatchStatus, CardStatus
from ocr import offers, people
from ocr.discovery import Offered
from ocr.models import Engine, Probe
from tests.batches.reading import give_result, stored

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Engine:
    engine = Engine(name="house", kind=Engine.Kind.OPENAI_COMPATIBLE, address="https://vlm.example.org/v1")
    engine.set_key("canary-key")
    engine.save()
    return engine


# -- engines


def test_engines_are_told_without_address_and_key(api, engine, endpoint):
    response = api("get", "/engines")
    assert [one["name"] for one in response.data["items"]] == ["house", "local"]
    for secret in ("canary-key", "vlm.example.org", endpoint.sealed_key):
        assert secret not in response.content.decode()
    Engine.objects.filter(pk=endpoint.pk).update(enabled=False)
    assert [one["name"] for one in api("get", "/engines").data["items"]] == ["local"]


def test_models_are_asked_of_the_endpoint(api, engine, endpoint, monkeypatch):
    monkeypatch.setattr(offers, "_asked", lambda engine: offers.Offer((Offered("qwen"),)))
    assert api("get", f"/engines/{endpoint.pk}/models").data["items"] == [{"name": "qwen"}]
    assert api("get", f"/engines/{engine.pk}/models").data["items"] == []
    api.refused("RESOURCE_NOT_FOUND", "get", f"/engines/{2**70}/models")


@pytest.mark.parametrize(
    ("reason", "code"), [("credentials_refused", "API_KEY_INVALID"), ("engine_unreachable", "ENGINE_UNAVAILABLE")]
)
def test_why_there_are_no_models(api, endpoint, monkeypatch, reason, code):
    monkeypatch.setattr(offers, "_asked", lambda engine: offers.Offer(failure=reason))
    response = api("get", f"/engines/{endpoint.pk}/models")
    assert (response.error["code"], response.error["details"]) == (code, {"reason": reason})
    assert int(response.headers["Retry-After"]) > 0


def test_a_test_is_asked_for_by_administrators(api, admins_api, endpoint):
    api.refused("PERMISSION_DENIED", "post", f"/engines/{endpoint.pk}/test", {})
    assert not Probe.objects.exists()
    assert admins_api("post", f"/engines/{endpoint.pk}/test", {}).data == {"asked": True}
    assert admins_api("post", f"/engines/{endpoint.pk}/test", {}).data == {"asked": False}
    admins_api.refused("VALIDATION_ERROR", "post", f"/engines/{endpoint.pk}/test", {"model": "a\nb"})


@pytest.mark.parametrize(("body", "mine"), [({}, False), ({"key": "engine"}, False), ({"key": "mine"}, True)])
def test_a_test_may_be_made_with_ones_own_key(admins_api, administrator, endpoint, body, mine):
    people.set_key(administrator, endpoint, "sk-admin")
    admins_api("post", f"/engines/{endpoint.pk}/test", body)
    assert (Probe.objects.get().key_of == administrator) is mine
    admins_api.refused("VALIDATION_ERROR", "post", f"/engines/{endpoint.pk}/test", {"key": "yours"})


# -- search


@pytest.fixture
def read(batch, make_cards) -> list[Card]:
    cards = [*make_cards(2, CardStatus.COMPLETED), *make_cards(1, CardStatus.FAILED, error="reply_invalid")]
    for card, author in zip(cards, ("Grieg", "Sinding"), strict=False):
        give_result(card, {"author": stored(author)})
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d")
    Card.objects.update(finished_at="2026-11-20T12:00Z", duration=2.0)
    return cards


def test_words_are_found_over_all_batches_that_one_may_see(api, others_api, batch, read):
    told = api("get", "/search?q=grie").data
    (hit,) = told["cards"]
    assert (hit["card_id"], hit["batch_id"], hit["values"]) == (read[0].pk, batch.pk, {"Author": "Grieg"})
    assert [one["id"] for one in api("get", "/search?q=Drawer").data["batches"]] == [batch.pk]
    Batch.objects.update(everybody="none")
    assert others_api("get", "/search?q=grie").data == {"batches": [], "cards": [], "next": None}
    assert list(api.refused("VALIDATION_ERROR", "get", "/search?q=x")) == ["q"]


def test_cards_come_in_parts(api, batch, make_cards):
    for card in make_cards(60, CardStatus.COMPLETED):
        give_result(card, {"author": stored("Grieg")})
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d")
    first = api("get", "/search?q=grieg").data
    second = api("get", f"/search?q=grieg&cursor={first['next']}").data
    assert (len(first["cards"]), len(second["cards"]), second["next"]) == (50, 10, None)
    assert list(api.refused("VALIDATION_ERROR", "get", "/search?q=grieg&cursor=WzBd")) == ["cursor"]


# -- figures


def test_figures_of_what_was_read(api, user, batch, read):
    for number, card in enumerate(read):
        Card.objects.filter(pk=card.pk).update(duration=number + 1.0)
    Batch.objects.update(currency="EUR")
    for cost in ("0.10", "0.05", None):
        Attempt.objects.create(
            card=read[0], engine_name="x", started_at="2026-11-20T11:00Z", tokens_in=10, tokens_out=2, cost=cost
        )
    FieldRevision.objects.create(card=read[0], key="author", old="a", new="b", by=user)
    told = api("get", "/statistics").data
    assert (told["cards"], told["completed"], told["failed"]) == (3, 2, 1)
    assert told["cards_per_day"] == {"2026-11-20": 3}
    assert told["failures"] == {"reply_invalid": 1}
    assert (told["seconds_mean"], told["seconds_p95"]) == (1.5, 2.0)
    assert (told["tokens_in"], told["tokens_out"], told["calls"]) == (30, 6, 3)
    assert ({name: float(cost) for name, cost in told["cost"].items()}, told["corrections"]) == (
        {"EUR": 0.15},
        {"author": 1},
    )


@pytest.mark.parametrize(
    ("query", "cards"),
    [
        ("from=2026-11-20&to=2026-11-20", 3),
        ("from=2026-11-21", 0),
        ("to=2026-11-19", 0),
        ("owner=ingrid", 3),
        ("owner=magnus", 0),
    ],
)
def test_figures_are_narrowed(api, batch, read, query, cards):
    assert api("get", f"/statistics?{query}").data["cards"] == cards
    assert api("get", f"/statistics?{query}&batch={batch.uid}").data["cards"] == cards


def test_figures_of_batches_that_one_may_see(others_api, batch, read):
    Batch.objects.update(everybody="none")
    assert others_api("get", "/statistics").data["cards"] == 0
    others_api.refused("RESOURCE_NOT_FOUND", "get", f"/statistics?batch={batch.pk}")


@pytest.mark.parametrize(
    ("query", "name"), [("from=x", "from"), ("from=2026-11-20&to=2026-11-19", "to"), ("from=0001-01-01", "from")]
)
def test_what_is_wrong_with_a_span_is_told(api, db, query, name):
    assert list(api.refused("VALIDATION_ERROR", "get", f"/statistics?{query}")) == [name]
