import re
from datetime import date
from typing import Any

import certifi
import pytest
from django.test import Client
from django.utils import timezone

from cardocr_site.accounts.models import User
from ocr import addresses
from ocr.models import Engine

CANARY = "sk-canary-0123456789"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"127.0.0.1": "127.0.0.1", "gpu-host": "10.0.0.5"}
    resolve = lambda host, _port: [known.get(host, "93.184.216.34")]  # noqa: E731
    monkeypatch.setattr(addresses.check, "__kwdefaults__", {"resolve": resolve})
    monkeypatch.setattr(addresses.looks_inside, "__kwdefaults__", {"resolve": resolve})


@pytest.fixture
def admin(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


@pytest.fixture
def endpoint(db: None) -> Engine:
    engine = Engine(name="router", kind="openai_compatible", address="https://openrouter.ai/api/v1", model="m")
    engine.set_key(CANARY)
    engine.save()
    return engine


def form(**changes: Any) -> dict[str, Any]:
    given = {
        "name": "router",
        "kind": "openai_compatible",
        "enabled": "on",
        "address": "https://openrouter.ai/api/v1",
        "model": "m",
        "place": "outside",
        "timeout": "120",
        "key": "",
    } | changes
    return {name: value for name, value in given.items() if value is not None}


def save(admin: Client, engine: Engine | None, **changes: Any) -> dict[str, list[str]]:
    """Save the form; return its errors, none where it was saved."""
    where = f"{engine.pk}/change" if engine else "add"
    response = admin.post(f"/admin/ocr/engine/{where}/", form(**changes))
    assert CANARY not in response.text
    return {} if response.status_code == 302 else dict(response.context["adminform"].form.errors)


def test_an_engine_is_made_with_its_key_sealed(admin: Client) -> None:
    assert save(admin, None, key=f" {CANARY} ") == {}
    engine = Engine.objects.get(name="router")
    assert CANARY not in engine.sealed_key
    assert engine.config().key == CANARY


def test_the_key_never_comes_out(admin: Client, endpoint: Engine) -> None:
    pages = [
        "/admin/ocr/engine/",
        f"/admin/ocr/engine/{endpoint.pk}/change/",
        f"/admin/ocr/engine/{endpoint.pk}/history/",
    ]
    for page in pages:
        text = admin.get(page).text
        assert CANARY not in text
        assert endpoint.sealed_key not in text
    text = admin.get(pages[1]).text
    assert "A key is stored" in text
    assert re.search(r'<input[^>]*type="password"[^>]*name="key"', text)
    assert not re.search(r'<input[^>]*name="key"[^>]*value=', text)


def test_the_form_says_how_to_connect(admin: Client) -> None:
    text = admin.get("/admin/ocr/engine/add/").text
    for name in ("OpenRouter", "Ollama", "vLLM", "llama.cpp", "DashScope", "No key is stored"):
        assert name in text


def test_an_empty_key_keeps_the_stored_one_and_the_box_removes_it(admin: Client, endpoint: Engine) -> None:
    assert save(admin, endpoint, model="other") == {}
    endpoint.refresh_from_db()
    assert (endpoint.model, endpoint.config().key) == ("other", CANARY)
    assert save(admin, endpoint, remove_key="on") == {}
    endpoint.refresh_from_db()
    assert not endpoint.has_key


def test_another_address_asks_for_the_key_again(admin: Client, endpoint: Engine) -> None:
    moved = "https://elsewhere.example/v1"
    assert "enter the key again" in save(admin, endpoint, address=moved)["key"][0]
    endpoint.refresh_from_db()
    assert endpoint.address == "https://openrouter.ai/api/v1"
    assert save(admin, endpoint, address=moved, key="sk-new-0123456789") == {}
    endpoint.refresh_from_db()
    assert (endpoint.address, endpoint.config().key) == (moved, "sk-new-0123456789")
    assert save(admin, endpoint, address="https://third.example/v1", remove_key="on") == {}


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("", "needs an address"),
        ("openrouter.ai", "must start with http"),
        ("https://user:pw@openrouter.ai/v1", "user name or password"),
        ("http://gpu-host:8000/v1", "CARDOCR_ALLOW_PRIVATE_ENGINES"),
        ("http://metadata.google.internal/v1", "never called"),
    ],
)
def test_a_bad_address_is_refused_with_the_reason(admin: Client, address: str, why: str) -> None:
    assert why in save(admin, None, address=address)["address"][0]
    assert not Engine.objects.filter(name="router").exists()


def test_a_host_in_the_house_is_taken_when_allowed(admin: Client, settings: Any) -> None:
    settings.ALLOW_PRIVATE_ENGINES = ["gpu-host"]
    assert save(admin, None, address="http://gpu-host:8000/v1") == {}
    assert Engine.objects.get(name="router").config().private_hosts == ("gpu-host",)


def test_the_host_of_the_default_endpoint_is_allowed(admin: Client, settings: Any) -> None:
    settings.ALLOW_PRIVATE_ENGINES, settings.VLM_URL = [], "http://gpu-host:8000/v1"
    assert save(admin, None, address="http://gpu-host:8000/v1") == {}


@pytest.mark.parametrize("key", ["schlüssel", "two words"])
def test_a_key_of_odd_characters_is_refused(admin: Client, key: str) -> None:
    assert "key" in save(admin, None, key=key)


def test_one_engine_alone_is_chosen_for_new_batches(admin: Client, engine: Engine, endpoint: Engine) -> None:
    assert engine.is_default
    assert save(admin, endpoint, is_default="on") == {}
    assert list(Engine.objects.filter(is_default=True)) == [endpoint]
    assert save(admin, endpoint) == {}
    assert list(Engine.objects.filter(is_default=True)) == [engine]
    assert "is_default" in save(admin, endpoint, is_default="on", enabled=None)


def test_only_administrators_see_engines(client: Client, user: User, endpoint: Engine) -> None:
    client.force_login(user)
    assert client.get(f"/admin/ocr/engine/{endpoint.pk}/change/").status_code != 200


def test_a_proxy_of_its_own_is_sealed_and_never_shown(admin: Client, endpoint: Engine, settings: Any) -> None:
    settings.OUTBOUND_PROXY = "http://house-proxy:3128"
    assert save(admin, endpoint, proxy="http://user:sk-canary-0123456789@proxy.example.org:3128") == {}
    endpoint.refresh_from_db()
    assert CANARY not in endpoint.sealed_proxy
    assert endpoint.config().proxy == f"http://user:{CANARY}@proxy.example.org:3128"
    page = admin.get(f"/admin/ocr/engine/{endpoint.pk}/change/").text
    assert "A proxy is stored" in page
    assert CANARY not in page
    assert save(admin, endpoint) == {}
    endpoint.refresh_from_db()
    assert endpoint.has_proxy, "an empty field keeps it"
    assert save(admin, endpoint, remove_proxy="on") == {}
    endpoint.refresh_from_db()
    assert endpoint.config().proxy == "http://house-proxy:3128"


@pytest.mark.parametrize(
    "proxy", ["ftp://proxy:21", "proxy:3128", "http://", "http://169.254.169.254:80", "http://a b"]
)
def test_an_address_that_no_proxy_has_is_refused(admin: Client, endpoint: Engine, proxy: str) -> None:
    assert "proxy" in save(admin, endpoint, proxy=proxy)


def test_certificates_of_its_own_must_be_readable(admin: Client, endpoint: Engine, tmp_path: Any) -> None:
    (tmp_path / "notes.pem").write_text("no certificate")
    assert "ca_bundle" in save(admin, endpoint, ca_bundle=str(tmp_path / "notes.pem"))
    assert "ca_bundle" in save(admin, endpoint, ca_bundle=str(tmp_path / "missing.pem"))
    assert save(admin, endpoint, ca_bundle=certifi.where()) == {}
    endpoint.refresh_from_db()
    assert endpoint.config().ca_bundle == certifi.where()


def test_another_address_makes_what_was_learnt_void(admin: Client, endpoint: Engine) -> None:
    endpoint.learn("m", {"temperature": False})
    assert save(admin, endpoint, name="other") == {}
    endpoint.refresh_from_db()
    assert endpoint.profile == {"m": {"temperature": False}}
    assert save(admin, endpoint, address="https://api.example.org/v1", key=CANARY) == {}
    endpoint.refresh_from_db()
    assert endpoint.profile == {}


@pytest.mark.parametrize(
    ("address", "place", "warned"),
    [
        ("https://8.8.8.8/v1", "inside", "public one"),
        ("https://openrouter.ai/api/v1", "inside", "public one"),
        ("https://openrouter.ai/api/v1", "outside", ""),
        ("http://gpu-host:8000/v1", "outside", "one in the house"),
        ("http://gpu-host:8000/v1", "inside", ""),
    ],
)
def test_a_place_that_the_address_speaks_against_is_warned_of(
    admin: Client, settings: Any, address: str, place: str, warned: str
) -> None:
    settings.ALLOW_PRIVATE_ENGINES = ["gpu-host"]
    response = admin.post("/admin/ocr/engine/add/", form(address=address, place=place), follow=True)
    said = " ".join(str(message) for message in response.context["messages"] if message.level_tag == "warning")
    assert (warned in said) if warned else not said


def test_prices_get_the_date_of_today_unless_one_is_typed(admin: Client, endpoint: Engine) -> None:
    assert save(admin, endpoint, price_in="0.20", price_out="0.60", currency="eur") == {}
    endpoint.refresh_from_db()
    assert (endpoint.priced_on, endpoint.currency) == (timezone.localdate(), "EUR")
    typed = {"price_in": "0.30", "price_out": "0.60", "priced_on": "2026-11-12"}
    assert save(admin, endpoint, **typed) == {}
    endpoint.refresh_from_db()
    assert endpoint.priced_on == date(2026, 11, 12)


def test_a_save_that_changes_no_price_keeps_their_date(admin: Client, endpoint: Engine) -> None:
    Engine.objects.filter(pk=endpoint.pk).update(price_in="0.2", price_out="0.6", priced_on="2026-11-12")
    told = {"price_in": "0.200000", "price_out": "0.600000", "priced_on": "2026-11-12", "timeout": "60"}
    assert save(admin, endpoint, **told) == {}
    endpoint.refresh_from_db()
    assert endpoint.priced_on == date(2026, 11, 12)


@pytest.mark.parametrize("name", ["price_in", "price_cached", "price_out", "month_budget"])
def test_nothing_costs_less_than_nothing(admin: Client, endpoint: Engine, name: str) -> None:
    assert name in save(admin, endpoint, **{name: "-0.01"})


@pytest.mark.parametrize("currency", ["US", "DOLLAR", "U5D", "ÄÖÜ"])
def test_a_currency_has_three_letters(admin: Client, endpoint: Engine, currency: str) -> None:
    assert "currency" in save(admin, endpoint, currency=currency)


def test_an_engine_keeps_its_currency_where_none_is_typed(admin: Client, endpoint: Engine) -> None:
    Engine.objects.filter(pk=endpoint.pk).update(currency="CHF")
    assert save(admin, endpoint) == {}
    endpoint.refresh_from_db()
    assert endpoint.currency == "CHF"
