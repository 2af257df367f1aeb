"""Limits to how often: of each person, of each address, told before they are reached."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import get_resolver

from batches.models import Batch, Card
from cardocr_site.accounts import rates
from cardocr_site.accounts.models import User
from cardocr_site.accounts.rates import Kind

pytestmark = pytest.mark.usefixtures("still")


@pytest.fixture
def limits(settings: Any) -> Callable[..., None]:
    def change(**to: int) -> None:
        settings.RATES = settings.RATES | to

    return change


def test_each_answer_says_what_is_left(api, limits, still):
    limits(requests=3)
    for left in (2, 1, 0):
        headers = api("get", "/batches").headers
        assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("3", str(left))
        assert still < int(headers["X-RateLimit-Reset"]) <= still + 60
    response = api("get", "/batches")
    assert response.error["code"] == "RATE_LIMIT_EXCEEDED"
    assert response.error["details"] == {"limit": 3}
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert response.headers["X-RateLimit-Remaining"] == "0"


def test_a_minute_later_it_is_open_again(api, limits, still, monkeypatch):
    limits(requests=1)
    api("get", "/batches")
    api.refused("RATE_LIMIT_EXCEEDED", "get", "/batches")
    monkeypatch.setattr(rates.time, "time", lambda: still + 60)
    assert api("get", "/batches").data["items"] == []


def test_people_are_counted_each_for_themselves(api, others_api, anonymous, limits):
    limits(requests=1)
    api("get", "/batches")
    api.refused("RATE_LIMIT_EXCEEDED", "get", "/batches")
    others_api("get", "/batches")
    anonymous.refused("AUTH_REQUIRED", "get", "/batches")


@pytest.mark.parametrize(
    ("path", "code"), [("/batches", "AUTH_REQUIRED"), ("/nothing", "RESOURCE_NOT_FOUND"), ("/openapi.json", "")]
)
def test_who_is_unknown_is_counted_by_address(client: Client, db: None, limits, path: str, code: str):
    limits(requests=1)
    first = client.get(f"/api/v1{path}")
    assert first.headers["X-RateLimit-Remaining"] == "0"
    assert (first.json()["error"]["code"] if code else "") == code
    assert client.get(f"/api/v1{path}").status_code == 429
    assert client.get(f"/api/v1{path}", REMOTE_ADDR="192.0.2.7").status_code == first.status_code


def test_a_wrong_token_does_not_use_up_what_a_person_may(api, anonymous, limits):
    limits(requests=1)
    anonymous.refused("AUTH_INVALID", "get", "/batches", headers={"Authorization": "Bearer cardocr_no"})
    api("get", "/batches")


def test_the_header_of_a_stranger_makes_no_new_address(client: Client, db: None, limits):
    limits(requests=1)
    client.get("/api/v1/batches")
    assert client.get("/api/v1/batches", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 429


@pytest.mark.parametrize("name", ["ingrid", "someone else"])
def test_sign_ins_of_one_address_whatever_the_names(anonymous, user, limits, name):
    limits(sign_ins=2)
    for tried in ("a", "b"):
        anonymous.refused("AUTH_INVALID", "post", "/auth/login", {"username": tried, "password": "no"})
    right = {"username": name, "password": "curator-of-cards"}
    anonymous.refused("RATE_LIMIT_EXCEEDED", "post", "/auth/login", right)
    page = anonymous.client.post("/accounts/login/", right)
    assert page.status_code == 429
    assert "more than 2 in a minute" in page.text


def test_starts_have_a_limit_of_their_own(api, batch, limits):
    limits(starts=1)
    api("post", f"/batches/{batch.pk}/start", {})
    api.refused("RATE_LIMIT_EXCEEDED", "post", f"/batches/{batch.pk}/start", {})
    api("get", f"/batches/{batch.pk}")


def test_pages_and_programs_are_counted_together(api, client: Client, user: User, batch: Batch, card: Card, limits):
    limits(starts=1)
    client.force_login(user)
    api("post", f"/batches/{batch.pk}/start", {})
    page = client.post(f"/batches/{batch.pk}/start/")
    assert page.status_code == 429
    assert "That was too much at once" in page.text
    assert "more than 1 in a minute" in page.text
    assert page.headers["Retry-After"]
    batch.refresh_from_db()
    assert batch.is_draft
    assert client.get(f"/batches/{batch.pk}/confirm/").status_code == 200


def test_the_upload_page_is_told_in_one_sentence(client: Client, user: User, batch: Batch, jpeg: bytes, limits):
    limits(uploads=1)
    client.force_login(user)
    headers = {"X-Requested-With": "XMLHttpRequest", "X-File-Path": "1.jpg", "X-Client-Key": "1"}
    answers = [
        client.post(f"/batches/{batch.pk}/files/", jpeg, content_type="application/octet-stream", headers=headers)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [204, 429]
    assert answers[1].text.startswith("That is more than 1 in a minute")
    assert 1 <= int(answers[1].headers["Retry-After"]) <= 60


def test_none_is_no_limit(api, limits):
    limits(requests=0)
    assert "X-RateLimit-Limit" not in api("get", "/batches").headers


def test_usual_limits_do_not_hold_up_the_upload_page(settings):
    assert settings.RATES["uploads"] >= 2 * 80 * 60  # the fastest that was measured is 80 files a second


def test_many_threads_count_each_once(limits):
    limits(requests=1000)
    request = RequestFactory().get("/")
    user = uuid.uuid4()
    found: list[int] = []

    def ask() -> None:
        found.extend(rates.count(request, Kind.REQUESTS, user).number for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 401))


def test_every_route_that_is_named_is_there():
    known = {route for _, route in _routes(get_resolver().url_patterns)}
    for routes in rates.ROUTES.values():
        assert routes <= known


def _routes(patterns: Any, before: str = "") -> Any:
    for entry in patterns:
        route = before + str(entry.pattern)
        if hasattr(entry, "url_patterns"):
            yield from _routes(entry.url_patterns, route)
        else:
            yield entry.name, route
