"""The proxy in front says who it is: believed from a trusted peer alone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from cardocr_site.accounts import watching
from cardocr_site.accounts.models import AuditEntry, User
from tests.conftest import ApiClient
from tests.site.test_settings import run

INGRID = {"X-Remote-User": "ingrid"}


@pytest.fixture(autouse=True)
def _by_header(settings: Any, db: None) -> None:
    settings.REMOTE_USER_HEADER = "X-Remote-User"
    settings.TRUSTED_PROXIES = ["10.0.0.2"]


@pytest.fixture
def proxied() -> Client:
    return Client(REMOTE_ADDR="10.0.0.2")


def person(client: Client) -> str | None:
    key = client.session.get("_auth_user_id")
    return User.objects.get(pk=key).username if key else None


def test_whom_a_trusted_proxy_names_is_in_and_has_an_account(proxied: Client) -> None:
    page = proxied.get("/batches/", headers=INGRID)
    assert page.status_code == 200
    made = User.objects.get(username="ingrid")
    assert (made.source, made.role, made.has_usable_password(), made.is_staff) == ("proxy", "", False, False)
    assert proxied.get("/batches/", headers=INGRID).wsgi_request.user == made
    assert User.objects.count() == 1


@pytest.mark.parametrize("more", [{}, {"X-Forwarded-For": "10.0.0.2"}, {"X-Forwarded-For": "10.0.0.2, 10.0.0.2"}])
def test_from_elsewhere_the_header_is_as_if_it_were_not_there(client: Client, more: dict[str, str]) -> None:
    response = client.get("/batches/", headers=INGRID | more, REMOTE_ADDR="192.0.2.7")
    assert response.headers["Location"].startswith("/accounts/login/")
    assert User.objects.count() == 0
    assert "ingrid" not in client.get("/accounts/login/", headers=INGRID | more, REMOTE_ADDR="192.0.2.7").text


def test_a_proxy_is_not_believed_in_another_header_or_where_none_is_set(proxied: Client, settings: Any) -> None:
    assert proxied.get("/batches/", headers={"Remote-User": "ingrid"}).status_code == 302
    settings.REMOTE_USER_HEADER = ""
    assert proxied.get("/batches/", headers=INGRID).status_code == 302


def test_its_session_does_not_outlive_the_header(proxied: Client) -> None:
    proxied.get("/batches/", headers=INGRID)
    assert person(proxied) == "ingrid"
    assert proxied.get("/batches/").status_code == 302
    assert person(proxied) is None


def test_its_session_is_worth_nothing_beside_the_proxy(proxied: Client) -> None:
    proxied.get("/batches/", headers=INGRID)
    assert proxied.get("/batches/", headers=INGRID, REMOTE_ADDR="192.0.2.7").status_code == 302


def test_another_name_is_another_person(proxied: Client) -> None:
    proxied.get("/batches/", headers=INGRID)
    proxied.get("/batches/", headers={"X-Remote-User": "magnus"})
    assert person(proxied) == "magnus"


def test_a_local_account_is_never_taken_over(proxied: Client, administrator: User) -> None:
    page = proxied.get("/batches/", headers={"X-Remote-User": "admin"})
    assert page.status_code == 403
    assert "There is an account “admin” here already that signs in another way." in page.text
    assert person(proxied) is None
    assert proxied.get("/batches/", headers={"X-Remote-User": "Admin"}).status_code == 403
    assert User.objects.count() == 1


def test_a_local_administrator_signs_in_whoever_the_proxy_names(proxied: Client, administrator: User) -> None:
    door = proxied.get("/accounts/login/?next=/templates/", headers=INGRID)
    assert door.status_code == 200
    assert '<a class="btn btn--primary" href="/templates/">Go on as ingrid</a>' in door.text
    filled = {"username": "admin", "password": "administrator-of-cards"}
    assert proxied.post("/accounts/login/", filled, headers=INGRID).status_code == 302
    proxied.get("/batches/", headers=INGRID)
    proxied.get("/batches/")
    assert person(proxied) == "admin"


def test_an_account_becomes_the_proxy_s_when_an_administrator_says_so(proxied: Client, user: User) -> None:
    assert proxied.get("/batches/", headers=INGRID).status_code == 403
    User.objects.update(source="proxy")
    assert proxied.get("/batches/", headers=INGRID).status_code == 200
    proxied.post("/accounts/logout/", headers=INGRID)
    filled = {"username": "ingrid", "password": "curator-of-cards"}
    assert proxied.post("/accounts/login/", filled).status_code == 422


@pytest.mark.parametrize("name", ["ingrid,admin", "HOUSE\\ingrid", "ingrid solberg", "i" * 151])
def test_what_cannot_be_a_name_is_refused_with_a_sentence(proxied: Client, name: str) -> None:
    page = proxied.get("/batches/", headers={"X-Remote-User": name})
    assert page.status_code == 403
    assert "cannot be a user name here" in page.text
    assert User.objects.count() == 0


def test_names_that_differ_in_case_are_not_one_person(proxied: Client) -> None:
    proxied.get("/batches/", headers=INGRID)
    page = proxied.get("/batches/", headers={"X-Remote-User": "Ingrid"})
    assert page.status_code == 403
    assert person(proxied) is None


def test_names_come_as_utf_8(proxied: Client) -> None:
    proxied.get("/batches/", headers={"X-Remote-User": "bjørn".encode().decode("latin-1")})
    assert person(proxied) == "bjørn"


def test_whoever_is_deactivated_stays_out(proxied: Client) -> None:
    proxied.get("/batches/", headers=INGRID)
    User.objects.update(is_active=False)
    page = proxied.get("/batches/", headers=INGRID)
    assert page.status_code == 403
    assert "has been deactivated" in page.text


def test_signing_out_leads_to_the_door(proxied: Client) -> None:
    proxied.get("/batches/", headers=INGRID)
    assert proxied.post("/accounts/logout/", headers=INGRID).headers["Location"] == "/accounts/login/"
    assert "Go on as ingrid" in proxied.get("/accounts/login/", headers=INGRID).text
    assert person(proxied) is None


def test_without_a_password_there_is_none_to_change(proxied: Client) -> None:
    assert "/accounts/password/" not in proxied.get("/accounts/profile/", headers=INGRID).text
    assert proxied.get("/accounts/password/", headers=INGRID).status_code == 403


def test_without_a_password_tokens_for_scripts_are_made_as_by_everybody(proxied: Client) -> None:
    proxied.get("/batches/", headers=INGRID)
    User.objects.update(role="operator")
    made = ApiClient(proxied)("post", "/tokens", {"name": "Nightly", "scope": "write"}, headers=INGRID)
    script = Client(headers={"Authorization": f"Bearer {made.data['token']}"})
    assert script.get("/api/v1/batches").status_code == 200


def test_a_program_is_whom_its_token_names(proxied: Client, other_user: User) -> None:
    program = ApiClient(proxied, other_user)
    made = program("post", "/batches", {"name": "Drawer"}, headers=INGRID | {"Idempotency-Key": "1"})
    assert made.status_code == 201
    assert not User.objects.filter(username="ingrid").exists()


def test_a_form_needs_its_token_whoever_the_proxy_names() -> None:
    strict = Client(enforce_csrf_checks=True, REMOTE_ADDR="10.0.0.2")
    assert strict.post("/accounts/profile/", headers=INGRID).status_code == 403
    assert User.objects.count() == 0


def test_without_a_trusted_proxy_it_does_not_start(tmp_path: Path) -> None:
    answer = run(tmp_path, CARDOCR_REMOTE_USER_HEADER="X-Remote-User")
    assert answer.returncode != 0
    assert "no proxy is trusted to send it" in answer.stderr


# -- in the audit log


def told() -> list[tuple[str, str, Any]]:
    entries = AuditEntry.objects.filter(act="sign_in").order_by("id")
    return [(one.outcome, one.object_name, one.details.get("why", one.details["by"])) for one in entries]


def test_a_sign_in_by_header_is_told_as_such(proxied: Client) -> None:
    for _ in range(2):
        proxied.get("/batches/", headers=INGRID)
    assert told() == [("done", "ingrid", "header")]


def test_who_is_turned_away_is_told_once_and_not_at_every_request(
    proxied: Client, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxied.get("/batches/", headers=INGRID)
    User.objects.filter(username="ingrid").update(is_active=False)
    for name in ("ingrid", "admin", "house\\magnus"):
        for path in ("/batches/", "/templates/", "/api/v1/batches"):
            assert Client(REMOTE_ADDR="10.0.0.2").get(path, headers={"X-Remote-User": name}).status_code == 403
    refused = [("refused", "ingrid", "inactive"), ("refused", "admin", "source"), ("refused", "house\\magnus", "name")]
    assert told()[1:] == refused
    monkeypatch.setattr(watching, "ONCE_IN", timedelta(0))
    proxied.get("/batches/", headers=INGRID)
    assert told()[1:] == [*refused, refused[0]]


def test_who_says_a_name_without_being_trusted_is_told_once(client: Client, administrator: User) -> None:
    for name in ("admin", "canary-what-somebody-typed", "admin"):
        client.get("/batches/", headers={"X-Remote-User": name}, REMOTE_ADDR="192.0.2.7")
    client.get("/accounts/login/", headers=INGRID, REMOTE_ADDR="192.0.2.8")
    client.get("/batches/", headers=INGRID, REMOTE_ADDR="192.0.2.9")
    assert told() == [("refused", "admin", "untrusted"), ("refused", "", "untrusted")]
    assert {one.address for one in AuditEntry.objects.all() if one.outcome == "refused"} == {"192.0.2.7", "192.0.2.9"}
