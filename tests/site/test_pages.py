"""Error pages, headers, origins, the administrator's first page."""

import datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as site_settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils.formats import date_format
from django.utils.translation import override

from cardocr_site.accounts.models import User
from cardocr_site.origins import OurPagesOnly, same_origin


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("canary of the inside")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


urlpatterns = [path("broken/", broken), path("forbidden/", forbidden), path("", include("cardocr_site.urls"))]


@pytest.fixture
def odd_urls(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


def test_an_unknown_address_says_so(client: Client, db: None):
    answer = client.get("/nothing/here/")
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.text


@pytest.mark.usefixtures("odd_urls", "db")
def test_an_error_shows_nothing_of_the_inside():
    answer = Client(raise_request_exception=False).get("/broken/")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in answer.text
    assert "canary" not in answer.text


@pytest.mark.usefixtures("odd_urls", "db")
def test_what_is_not_allowed_says_whom_to_ask(client: Client):
    answer = client.get("/forbidden/")
    assert answer.status_code == 403
    assert "Ask the owner of the batch" in answer.text


def test_a_form_without_its_token_is_refused_with_a_way_out(user: User):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    answer = strict.post("/accounts/logout/")
    assert answer.status_code == 403
    assert "too old to be sent" in answer.text


@pytest.mark.parametrize("address", ["/accounts/login/", "/admin/", "/admin/accounts/user/", "/nothing/"])
def test_every_page_has_the_strict_policy_and_nothing_inline(client: Client, administrator: User, address: str):
    client.force_login(administrator)
    answer = client.get(address)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for inline in (" style=", "<style", " onclick=", "<script>", "javascript:"):
        assert inline not in answer.text, inline


def test_pages_are_kept_by_no_shared_cache(client: Client, db: None):
    assert "private" in client.get("/nothing/").headers["Cache-Control"]


def test_the_first_page_of_the_admin_shows_how_to_connect_an_engine(client: Client, administrator: User):
    client.force_login(administrator)
    text = client.get("/admin/").text
    assert "https://openrouter.ai/api/v1" in text
    assert "http://127.0.0.1:11434/v1" in text
    assert 'href="/admin/ocr/engine/add/"' in text


def test_an_administrator_makes_an_account(client: Client, administrator: User):
    client.force_login(administrator)
    new = {"username": "maria", "usable_password": "true", "must_change_password": "on"}
    passwords = {"password1": "a-first-password", "password2": "a-first-password"}
    assert client.post("/admin/accounts/user/add/", new | passwords).status_code == 302
    assert User.objects.get(username="maria").must_change_password


def test_the_icon_is_found_by_its_usual_name(client: Client):
    assert client.get("/favicon.ico").headers["Location"].endswith("favicon.svg")


@pytest.mark.parametrize(
    ("origin", "host", "ours"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://127.0.0.1:8123", "127.0.0.1:8123", True),
        ("http://127.0.0.1:9999", "127.0.0.1:8123", False),
        ("http://evil.example.org", "127.0.0.1:8000", False),
        ("http://evil.example.org", "evil.example.org", False),
        ("null", "127.0.0.1:8000", False),
        ("", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000", "inner:8000", True),
    ],
)
def test_sockets_are_for_our_own_pages(origin: str, host: str, ours: bool):
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    assert same_origin({"type": "websocket", "headers": headers}) is ours


def test_the_path_in_front_is_taken_off_before_routing(settings: Any):
    settings.SITE = type("Site", (), {"path": "/cards"})
    seen: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    async def scenario() -> None:
        headers = [(b"origin", site_settings.CSRF_TRUSTED_ORIGINS[0].encode())]
        for address in ("/cards/ws/batches/", "/ws/batches/"):
            await OurPagesOnly(application)({"path": address, "headers": headers}, None, None)

    async_to_sync(scenario)()
    assert seen == ["/ws/batches/", "/ws/batches/"]


def test_the_administrations_door_lets_staff_through(client, administrator):
    client.force_login(administrator)
    for target, there in (("", "/admin/"), ("?next=/admin/ocr/", "/admin/ocr/"), ("?next=//evil.example/", "/admin/")):
        assert client.get(f"/admin/login/{target}").headers["Location"] == there


def test_english_dates_need_no_guess_which_number_is_the_month():
    moment = datetime.datetime(2026, 11, 9, 16, 5, tzinfo=datetime.UTC)
    with override("en"):
        assert date_format(moment, "SHORT_DATETIME_FORMAT") == "9 Nov 2026, 16:05"
        assert date_format(moment, "DATE_FORMAT") == "9 November 2026"
