"""Oneself through the calls: what one is told, what one may change, keys that nobody is told."""

import logging

import pytest

from batches.actions import drafts
from cardocr_site.accounts import tokens
from cardocr_site.accounts.models import User
from ocr import people
from ocr.models import Engine, OwnKey, Preference

CANARY = "sk-canary-of-ingrid"


def key_of(user: User, engine: Engine) -> str:
    return people.keyed(engine, user).config().key if people.own_key(user, engine) else ""


@pytest.fixture
def endpoint(db: None) -> Engine:
    return Engine.objects.create(
        name="house", kind=Engine.Kind.OPENAI_COMPATIBLE, address="https://vlm.example.org/v1", model="qwen"
    )


def scoped(user: User, scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.make(user, 'script', scope, 1)[1]}"}


def test_one_is_told_who_one_is(api, user):
    told = api("get", "/users/me").data
    assert told.pop("created_at") <= told.pop("updated_at")
    assert told == {
        "user_id": str(user.pk),
        "username": "ingrid",
        "email": "",
        "role": "operator",
        "preferred_engine": None,
        "preferred_model": "",
        "api_key_configured": False,
    }


def test_somebody_without_a_role_is_told_so(api, user):
    User.objects.update(role="")
    assert api("get", "/users/me").data["role"] == "none"


def test_nobody_who_is_not_signed_in(anonymous, endpoint):
    anonymous.refused("AUTH_REQUIRED", "get", "/users/me")
    anonymous.refused("AUTH_REQUIRED", "patch", "/users/me", {})
    anonymous.refused("AUTH_REQUIRED", "put", f"/users/me/keys/{endpoint.pk}", {"key": CANARY})
    anonymous.refused("AUTH_REQUIRED", "delete", f"/users/me/keys/{endpoint.pk}")


def test_new_batches_are_read_as_one_likes_it(api, user, other_user, engine, endpoint):
    before = api("get", "/users/me").data["updated_at"]
    told = api("patch", "/users/me", {"preferred_engine": endpoint.pk, "preferred_model": "large"}).data
    assert (told["preferred_engine"], told["preferred_model"]) == (endpoint.pk, "large")
    assert told["updated_at"] > before
    mine, theirs = drafts.create(user, "Mine"), drafts.create(other_user, "Theirs")
    assert (mine.engine, mine.model) == (endpoint, "large")
    assert (theirs.engine, theirs.model) == (engine, "")
    Engine.objects.filter(pk=endpoint.pk).update(enabled=False)
    assert drafts.create(user, "Later").engine == engine


def test_what_is_left_out_stays_and_another_engine_begins_with_its_own_model(api, user, engine, endpoint):
    api("patch", "/users/me", {"preferred_engine": endpoint.pk, "preferred_model": "large"})
    assert api("patch", "/users/me", {}).data["preferred_model"] == "large"
    assert api("patch", "/users/me", {"preferred_engine": engine.pk}).data["preferred_model"] == ""
    assert api("patch", "/users/me", {"preferred_engine": None}).data["preferred_engine"] is None


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"preferred_engine": 999}, "preferred_engine"),
        ({"preferred_engine": 2**70}, "preferred_engine"),
        ({"preferred_model": "large"}, "preferred_model"),
        ({"email": "no address"}, "email"),
        ({"role": "administrator"}, "role"),
        ({"username": "admin"}, "username"),
    ],
)
def test_what_cannot_be_changed_so_is_told_by_input(api, user, body, name):
    assert name in api.refused("VALIDATION_ERROR", "patch", "/users/me", body)
    assert not Preference.objects.exists()


def test_a_models_name_is_one_line(api, user, endpoint):
    body = {"preferred_engine": endpoint.pk, "preferred_model": "a\nb"}
    assert "preferred_model" in api.refused("VALIDATION_ERROR", "patch", "/users/me", body)


def test_an_address_for_mail_and_keys_need_a_token_for_everything(api, user, endpoint):
    less = scoped(user, "write")
    for method, path, body in (
        ("patch", "/users/me", {"email": "i@example.org"}),
        ("put", f"/users/me/keys/{endpoint.pk}", {"key": CANARY}),
        ("delete", f"/users/me/keys/{endpoint.pk}", None),
    ):
        api.refused("PERMISSION_DENIED", method, path, body, headers=less)
    assert api("patch", "/users/me", {"preferred_engine": endpoint.pk}, headers=less).status_code == 200
    assert api("patch", "/users/me", {"email": "i@example.org"}).data["email"] == "i@example.org"


def test_a_key_of_ones_own_is_kept_and_never_told(api, others_api, user, other_user, endpoint, caplog):
    caplog.set_level(logging.DEBUG)
    answer = api("put", f"/users/me/keys/{endpoint.pk}", {"key": f" {CANARY} "})
    assert set(answer.data) == {"engine_id", "set_at"}
    row = OwnKey.objects.get()
    assert (row.user, key_of(user, endpoint), key_of(other_user, endpoint)) == (user, CANARY, "")
    assert api("get", "/users/me").data["api_key_configured"] is True
    assert others_api("get", "/users/me").data["api_key_configured"] is False
    for text in (answer.content.decode(), api("get", "/users/me").content.decode(), row.sealed_key, caplog.text):
        assert CANARY not in text


def test_a_key_is_replaced_and_removed(api, others_api, user, endpoint):
    api("put", f"/users/me/keys/{endpoint.pk}", {"key": CANARY})
    api("put", f"/users/me/keys/{endpoint.pk}", {"key": "sk-newer"})
    assert key_of(user, endpoint) == "sk-newer"
    others_api.refused("RESOURCE_NOT_FOUND", "delete", f"/users/me/keys/{endpoint.pk}")
    assert api("delete", f"/users/me/keys/{endpoint.pk}").data is None
    api.refused("RESOURCE_NOT_FOUND", "delete", f"/users/me/keys/{endpoint.pk}")
    assert key_of(user, endpoint) == ""


@pytest.mark.parametrize("key", ["", " ", "two words", "schlüssel", "line\nbreak", "x" * 501])
def test_what_is_no_key(api, endpoint, key):
    response = api("put", f"/users/me/keys/{endpoint.pk}", {"key": key})
    assert response.error["code"] == "VALIDATION_ERROR"
    assert list(response.error["details"]) == ["key"]
    assert not key.strip() or key not in response.content.decode()


def test_no_key_for_an_engine_that_is_not_there_or_needs_none(api, engine, endpoint):
    assert "key" in api.refused("VALIDATION_ERROR", "put", f"/users/me/keys/{engine.pk}", {"key": CANARY})
    Engine.objects.filter(pk=endpoint.pk).update(enabled=False)
    for one in (endpoint.pk, 999, 2**70):
        api.refused("RESOURCE_NOT_FOUND", "put", f"/users/me/keys/{one}", {"key": CANARY})
        api.refused("RESOURCE_NOT_FOUND", "delete", f"/users/me/keys/{one}")


def test_a_key_goes_to_no_other_address_than_it_was_given_for(user, endpoint):
    people.set_key(user, endpoint, CANARY)
    endpoint.address = "https://elsewhere.example.net/v1"
    assert key_of(user, endpoint) == ""
