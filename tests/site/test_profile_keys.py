"""Keys and the preferred engine on the profile page; tokens for scripts."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from cardocr_site.accounts import tokens
from cardocr_site.accounts.models import AccessToken, User
from ocr import people
from ocr.models import Engine, OwnKey

CANARY = "sk-canary-of-ingrid"
PROFILE = "/accounts/profile/"


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def key_of(user: User, engine: Engine) -> str:
    return people.keyed(engine, user).config().key if people.own_key(user, engine) else ""


@pytest.fixture
def endpoint(engine: Engine) -> Engine:
    return Engine.objects.create(
        name="house", kind=Engine.Kind.OPENAI_COMPATIBLE, address="https://vlm.example.org/v1", model="qwen"
    )


def key_form(client: Client, engine: Engine, **sent: str) -> str:
    return client.post(f"{PROFILE}keys/{engine.pk}/", sent, follow=True).text


@pytest.mark.parametrize("path", ["profile/engine/", "profile/keys/1/", "tokens/", "tokens/1/revoke/"])
def test_they_are_for_those_who_are_signed_in_with_the_token_of_a_form(client: Client, user: User, path: str) -> None:
    assert "/login/" in client.post(f"/accounts/{path}").headers["Location"]
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(f"/accounts/{path}").status_code == 403
    assert strict.get(f"/accounts/{path}").status_code == 405


def test_a_key_is_set_replaced_and_removed_and_never_shown(signed_in: Client, user: User, endpoint: Engine) -> None:
    assert "None of your own." in signed_in.get(PROFILE).text
    page = key_form(signed_in, endpoint, key=CANARY)
    assert "Your key for house is stored." in page
    assert "Set on " in page
    assert CANARY not in page
    assert OwnKey.objects.get().sealed_key not in page
    key_form(signed_in, endpoint, key="sk-newer")
    assert key_of(user, endpoint) == "sk-newer"
    assert "None of your own." in key_form(signed_in, endpoint, remove="1", key="sk-ignored")
    assert not OwnKey.objects.exists()


def test_what_is_no_key_is_said_and_not_shown(signed_in: Client, user: User, endpoint: Engine) -> None:
    page = key_form(signed_in, endpoint, key=f"{CANARY} two")
    assert "letters, digits and signs only" in page
    assert CANARY not in page
    assert "Give the key." in key_form(signed_in, endpoint, key="")
    assert not OwnKey.objects.exists()


def test_an_address_that_has_changed_asks_for_the_key_again(signed_in: Client, user: User, endpoint: Engine) -> None:
    key_form(signed_in, endpoint, key=CANARY)
    Engine.objects.filter(pk=endpoint.pk).update(address="https://elsewhere.example.net/v1")
    assert "address has changed since" in signed_in.get(PROFILE).text


def test_only_engines_in_use_that_take_a_key_are_asked_for(signed_in: Client, engine: Engine, endpoint: Engine) -> None:
    assert f'id="own-key-{engine.pk}"' not in signed_in.get(PROFILE).text
    assert "needs no key" in key_form(signed_in, engine, key=CANARY)
    Engine.objects.filter(pk=endpoint.pk).update(enabled=False)
    assert signed_in.post(f"{PROFILE}keys/{endpoint.pk}/", {"key": CANARY}).status_code == 404


def test_another_persons_key_is_not_touched(signed_in: Client, user: User, other_user: User, endpoint: Engine) -> None:
    people.set_key(other_user, endpoint, CANARY)
    assert "None of your own." in key_form(signed_in, endpoint, remove="1")
    assert key_of(other_user, endpoint) == CANARY


def test_the_engine_of_new_batches(signed_in: Client, user: User, endpoint: Engine) -> None:
    sent = {"engine": endpoint.pk, "model": "large"}
    page = signed_in.post(f"{PROFILE}engine/", sent, follow=True).text
    assert f'<option value="{endpoint.pk}" selected>' in page
    assert people.preferred(user) == (endpoint, "large")
    for wrong in ({"engine": "999"}, {"engine": "²"}, {"engine": "1" * 30}, {**sent, "model": "a\nb"}):
        assert "notice--bad" in signed_in.post(f"{PROFILE}engine/", wrong, follow=True).text
    assert people.preferred(user) == (endpoint, "large")
    signed_in.post(f"{PROFILE}engine/", {"engine": ""})
    assert people.preferred(user)[0] == people.default_engine()


def test_a_token_is_shown_once(signed_in: Client, user: User) -> None:
    answer = signed_in.post("/accounts/tokens/", {"name": "Nightly", "scope": "read", "days": "30"})
    assert "no-store" in answer.headers["Cache-Control"]
    (token,) = re.findall(r"cardocr_[\w-]+", answer.text)
    row = tokens.find(token)
    assert (row.user, row.name, row.scope) == (user, "Nightly", "read")
    assert row.expires_at is not None
    assert 29 <= (row.expires_at - timezone.now()).days <= 30
    page = signed_in.get(PROFILE).text
    assert "Nightly" in page
    assert token not in page


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"name": "x" * 101}, {"scope": "root"}, {"days": "99999"}, {"days": ""}]
)
def test_what_is_wrong_with_a_token_is_said(signed_in: Client, wrong: dict[str, str]) -> None:
    sent = {"name": "Nightly", "scope": "read", "days": "30"} | wrong
    answer = signed_in.post("/accounts/tokens/", sent)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert not AccessToken.objects.exists()


def test_a_token_is_revoked_by_whom_it_belongs_to(signed_in: Client, user: User, other_user: User) -> None:
    mine, theirs = tokens.make(user, "mine", "read", 1)[0], tokens.make(other_user, "theirs", "read", 1)[0]
    assert "theirs" not in signed_in.get(PROFILE).text
    assert "no such token" in signed_in.post(f"/accounts/tokens/{theirs.pk}/revoke/", follow=True).text
    assert "has been revoked" in signed_in.post(f"/accounts/tokens/{mine.pk}/revoke/", follow=True).text
    assert list(AccessToken.objects.filter(kind="script")) == [theirs]
