from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from batches.models import Batch, Pace, Share, Worker
from cardocr_site.accounts.models import User
from ocr import people, probing
from ocr.models import Engine, Probe
from ocr.probe.findings import Check, Finding, Report, State
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
def worker(db: None) -> Worker:
    now = timezone.now()
    return Worker.objects.create(uid="w", host="h", pid=1, started_at=now, seen_at=now)


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


def test_the_list_is_asked_for_with_ones_own_key(
    client: Client, ingrid: Client, endpoint: Engine, server: vlm_server.Server, user: User, administrator: User
) -> None:
    server.key = "sk-ingrid"
    assert "refuses our key" in models(ingrid, endpoint).text
    people.set_key(user, endpoint, "sk-ingrid")
    assert "plain-7b" in models(ingrid, endpoint).text
    client.force_login(administrator)
    assert "refuses our key" in models(client, endpoint).text, "what one person was told is not the next one's"


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


def press(client: Client, engine: Engine, **data: str) -> Any:
    return client.post(reverse("engine_test", args=[engine.pk]), data, follow=True)


def panel(client: Client, engine: Engine) -> str:
    return str(client.get(reverse("admin:ocr_engine_change", args=[engine.pk])).text)


@pytest.fixture
def admin(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


def test_the_button_asks_for_a_test(admin: Client, endpoint: Engine, worker: Worker) -> None:
    assert "It has not been tested yet" in panel(admin, endpoint)
    text = press(admin, endpoint, model="llava").text
    assert Probe.objects.get().model == "llava"
    assert "it begins in a moment" in text
    assert 'hx-trigger="every 3s"' in text
    assert "Look again" in text
    Probe.objects.update(begun_at=timezone.now())
    assert "Being tested since" in panel(admin, endpoint)


def test_who_has_a_key_may_have_that_tested(admin: Client, endpoint: Engine, administrator: User) -> None:
    assert "With my own key" not in panel(admin, endpoint)
    people.set_key(administrator, endpoint, "sk-admin")
    assert 'name="own_key">' in panel(admin, endpoint)
    press(admin, endpoint)
    assert Probe.objects.get().key_of is None, "others are to find what it finds"
    Probe.objects.all().delete()
    press(admin, endpoint, own_key="on")
    assert Probe.objects.get().key_of == administrator
    Probe.objects.all().delete()
    Engine.objects.filter(pk=endpoint.pk).update(sealed_key="")
    assert 'name="own_key" checked>' in panel(admin, endpoint)
    press(admin, endpoint)
    assert Probe.objects.get().key_of == administrator, "there is no other"


def test_a_second_click_says_that_it_is_going_on(admin: Client, endpoint: Engine) -> None:
    press(admin, endpoint)
    assert "being tested already" in press(admin, endpoint).text
    assert Probe.objects.count() == 1


def test_without_a_consumer_the_page_says_so(admin: Client, endpoint: Engine) -> None:
    press(admin, endpoint)
    Probe.objects.update(asked_at=timezone.now() - timedelta(minutes=1))
    assert "Is the consumer running?" in panel(admin, endpoint)


def test_behind_another_test_the_page_says_so(admin: Client, endpoint: Engine, worker: Worker) -> None:
    press(admin, endpoint)
    Probe.objects.update(asked_at=timezone.now() - timedelta(minutes=1))
    assert "Nobody has begun yet: another engine" in panel(admin, endpoint)


def test_what_was_found_stands_there_in_words(admin: Client, endpoint: Engine) -> None:
    blind = Finding(Check.IMAGES, State.FAILED, "blind", {"drawn": "K7P4M9", "read": "<script>x</script>"})
    later = Finding(Check.FORMAT, State.NOT_ASKED, "depends")
    probing.keep(endpoint, "llava", Report((blind, later)))
    text = panel(admin, endpoint)
    assert "No cards can be read with it as it is" in text
    assert "It does not see pictures: K7P4M9 was drawn, “&lt;script&gt;x&lt;/script&gt;” came back." in text
    assert "Choose a vision-language model" in text
    assert "Not asked: something before it failed" in text
    assert "Tested with llava" in text
    endpoint.refresh_from_db()
    endpoint.save()
    assert "changed since" in panel(admin, endpoint)


def test_ocr_is_tested_without_naming_a_model(admin: Client, engine: Engine) -> None:
    text = panel(admin, engine)
    assert "Test this engine" in text
    assert 'id="test-model"' not in text


@pytest.mark.parametrize("model", ["x" * 201, "a\nb"])
def test_an_odd_name_of_a_model_is_refused(admin: Client, endpoint: Engine, model: str) -> None:
    assert "not the name of a model" in press(admin, endpoint, model=model).text
    assert not Probe.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_only_administrators_test_engines(client: Client, user: User, endpoint: Engine, method: str) -> None:
    address = reverse("engine_test", args=[endpoint.pk])
    assert getattr(client, method)(address).status_code == 302
    client.force_login(user)
    assert getattr(client, method)(address).status_code == 403
    assert not Probe.objects.exists()


def test_the_button_needs_the_token_of_its_page(administrator: User, endpoint: Engine) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    assert client.post(reverse("engine_test", args=[endpoint.pk])).status_code == 403
    assert not Probe.objects.exists()


def test_the_form_of_an_engine_offers_its_models(admin: Client, endpoint: Engine, engine: Engine) -> None:
    assert f'id="models-{endpoint.pk}"' in panel(admin, endpoint)
    assert "hx-get" not in panel(admin, engine)


def test_its_page_shows_the_calls_in_flight_over_all_machines(admin: Client, endpoint: Engine, worker: Worker) -> None:
    assert "Nobody calls it now." in panel(admin, endpoint)
    now = timezone.now()
    other = Worker.objects.create(uid="other", host="reader<2>", pid=12, started_at=now, seen_at=now)
    for who, calls in ((worker, 3), (other, 2)):
        Share.objects.create(engine=endpoint, worker=who, wanted=9, granted=4, in_flight=calls)
    Pace.objects.create(engine=endpoint, calls=8)
    text = panel(admin, endpoint)
    assert "5 over all machines" in text
    assert "8 at a time" in text
    assert "reader&lt;2&gt;:12" in text
    assert "does not answer" not in text
    Pace.objects.update(probe_at=now)
    assert "does not answer" in panel(admin, endpoint)
