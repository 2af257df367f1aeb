from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from batches.models import Batch
from cardocr_site.accounts.models import User
from ocr.models import Engine
from tests import vlm_server


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def server() -> Iterator[vlm_server.Server]:
    with vlm_server.running() as server:
        server.models = [{"id": "plain-7b"}, {"id": "<b>llava</b>", "capabilities": ["vision"]}]
        yield server


@pytest.fixture
def endpoint(db: None, server: vlm_server.Server) -> Engine:
    engine = Engine(name="box", kind="openai_compatible", address=server.url)
    engine.set_key("sk-canary-0123456789")
    engine.save()
    return engine


@pytest.fixture
def ingrid(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def models(client: Client, engine: Engine) -> Any:
    return client.get(reverse("engine_models", args=[engine.pk]))


def test_models_are_offered_those_that_see_first(ingrid: Client, endpoint: Engine) -> None:
    text = models(ingrid, endpoint).text
    assert '<option value="&lt;b&gt;llava&lt;/b&gt;">sees pictures</option><option value="plain-7b"></option>' in text
    assert "2 models" in text
    assert f'id="models-of-{endpoint.pk}"' in text


def test_neither_address_nor_key_is_told(ingrid: Client, endpoint: Engine, server: vlm_server.Server) -> None:
    server.key = "sk-another-one"
    text = models(ingrid, endpoint).text
    assert "type the name" in text
    assert "refuses our key" in text
    assert "canary" not in text
    assert str(server.port) not in text


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://127.0.0.1:9/v1", "could not be reached"),
        ("http://10.0.0.1/v1", "not set up completely"),
        ("", "not set up completely"),
    ],
)
def test_where_there_is_no_list_the_reason_is_told(ingrid: Client, endpoint: Engine, address: str, why: str) -> None:
    endpoint.address = address
    endpoint.save()
    text = models(ingrid, endpoint).text
    assert why in text
    assert "type the name" in text


def test_the_list_is_remembered_until_the_engine_is_changed(
    ingrid: Client, endpoint: Engine, server: vlm_server.Server
) -> None:
    models(ingrid, endpoint)
    server.models = [{"id": "fresh"}]
    assert "fresh" not in models(ingrid, endpoint).text
    endpoint.save()
    assert "fresh" in models(ingrid, endpoint).text


def test_nobody_asks_before_signing_in(client: Client, endpoint: Engine) -> None:
    assert models(client, endpoint).status_code == 302


def test_an_engine_out_of_use_is_asked_for_administrators_alone(
    ingrid: Client, endpoint: Engine, administrator: User
) -> None:
    Engine.objects.filter(pk=endpoint.pk).update(enabled=False)
    assert models(ingrid, endpoint).status_code == 404
    ingrid.force_login(administrator)
    assert models(ingrid, endpoint).status_code == 200


def test_ocr_has_no_models_to_choose_from(ingrid: Client, engine: Engine) -> None:
    assert models(ingrid, engine).status_code == 404


def test_the_field_of_the_model_asks_when_a_person_comes_to_it(ingrid: Client, endpoint: Engine, batch: Batch) -> None:
    text = ingrid.get(reverse("batch_fields", args=[batch.pk])).text
    assert f'list="models-of-{endpoint.pk}"' in text
    assert f'hx-get="{reverse("engine_models", args=[endpoint.pk])}"' in text
    assert f'id="models-{endpoint.pk}"' in text
