"""Whatever goes wrong below /api/, the answer has the envelope, a code and the name of its request."""

import json

import pytest
from cryptography.fernet import Fernet

from cardocr_site.accounts.models import AccessToken, IdempotentReply
from cardocr_site.contract import cursor_of


@pytest.mark.parametrize("path", ["/nothing", "/tokens/", "/", "/tokens/x/y"])
def test_an_unknown_address(anonymous, db, path):
    anonymous.refused("RESOURCE_NOT_FOUND", "get", path)
    anonymous.refused("RESOURCE_NOT_FOUND", "post", path, {})


def test_a_method_that_an_address_does_not_take(api):
    response = api("put", "/tokens", {})
    assert (response.error["code"], response.headers["Allow"]) == ("METHOD_NOT_ALLOWED", "GET, POST")


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b"null", b'"x"', b"", b"[" * 100_000])
def test_a_body_that_is_no_object(api, body):
    api.refused("VALIDATION_ERROR", "post", "/tokens", data=body, content_type="application/json")


def test_a_body_that_is_too_large(api, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    api.refused("FILE_TOO_LARGE", "post", "/tokens", {"name": "x" * 200})


def test_a_host_that_is_not_ours(anonymous, db):
    anonymous.refused("VALIDATION_ERROR", "get", "/tokens", headers={"Host": "evil.example"})


def test_what_fails_here_is_told_by_its_request_alone(api, monkeypatch, caplog):
    def fail(*arguments, **more):
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr("cardocr_site.accounts.api.listed", fail)
    response = api("get", "/tokens", headers={"X-Request-ID": "harvest-2026.1"})
    assert response.error["code"] == "INTERNAL_ERROR"
    assert response.error["details"] == {"request_id": "harvest-2026.1"}
    assert "42" not in response.content.decode()
    assert "harvest-2026.1" in caplog.text


@pytest.mark.parametrize("given", ["a b c d e f g", "x", "a\r\nSet-Cookie: x=y", "ü" * 10, "x" * 65])
def test_a_request_is_not_called_just_anything(api, given):
    assert api("get", "/tokens", headers={"X-Request-ID": given}).headers["X-Request-ID"] != given


def test_each_request_has_a_name_of_its_own(client, db):
    names = {client.get("/accounts/login/").headers["X-Request-ID"] for _ in range(3)}
    assert len(names) == 3


# -- lists


def test_a_list_comes_in_parts_without_loss_or_repeat(api, user):
    for number in range(7):
        api("post", "/tokens", {"name": str(number)})
    seen, cursor = [], ""
    while cursor is not None:
        part = api("get", "/tokens", data={"limit": 3} | ({"cursor": cursor} if cursor else {})).data
        seen += [row["name"] for row in part["items"]]
        cursor = part["next"]
        assert part["total"] == 7
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"cursor": "!"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": cursor_of(["x"])}, "cursor"),
        ({"cursor": cursor_of([2**63])}, "cursor"),
        ({"cursor": "x" * 501}, "cursor"),
        ({"cursor": "é"}, "cursor"),
    ],
)
def test_what_is_wrong_with_a_part_is_told(api, asked, name):
    assert list(api.refused("VALIDATION_ERROR", "get", "/tokens", data=asked)) == [name]


# -- sent twice


def post(api, key, body):
    return api("post", "/tokens", body, headers={"Idempotency-Key": key})


def test_sent_again_with_the_same_key_it_happens_once(api):
    first, second = post(api, "k1", {"name": "x"}), post(api, "k1", {"name": "x"})
    assert (second.status_code, second.content) == (201, first.content)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert AccessToken.objects.filter(name="x").count() == 1


def test_a_key_is_for_one_request(api):
    post(api, "k1", {"name": "x"})
    response = post(api, "k1", {"name": "y"})
    assert (response.error["code"], list(response.error["details"])) == ("VALIDATION_ERROR", ["Idempotency-Key"])
    assert not AccessToken.objects.filter(name="y").exists()
    assert post(api, "k" * 201, {"name": "x"}).error["code"] == "VALIDATION_ERROR"


def test_keys_of_different_people_are_different_keys(api, others_api):
    post(api, "k1", {"name": "x"})
    assert post(others_api, "k1", {"name": "x"}).status_code == 201


def test_while_the_first_is_worked_on_the_second_is_told_to_wait(api, user):
    post(api, "k1", {"name": "x"})
    IdempotentReply.objects.update(status=None)
    response = post(api, "k1", {"name": "x"})
    assert (response.error["code"], response.headers["Retry-After"]) == ("RATE_LIMIT_EXCEEDED", "1")
    IdempotentReply.objects.update(created_at="2026-01-01T00:00Z")
    assert post(api, "k1", {"name": "x"}).status_code == 201, "whoever worked on it has died"


def test_what_failed_here_may_be_sent_again(api, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("cardocr_site.accounts.tokens.make", lambda *arguments: 1 / 0)
        assert post(api, "k1", {"name": "x"}).status_code == 500
    assert post(api, "k1", {"name": "x"}).status_code == 201


def test_what_was_refused_is_refused_the_same_again(api):
    for _ in range(2):
        assert post(api, "k1", {"name": " "}).status_code == 422
    assert json.loads(IdempotentReply.objects.get().body)["error"]["code"] == "VALIDATION_ERROR"


def test_a_secret_that_was_told_lies_nowhere_in_the_clear_and_is_told_the_same(api, settings):
    first = post(api, "k1", {"name": "x"})
    kept = IdempotentReply.objects.get().body
    assert first.data["token"] not in kept
    assert post(api, "k1", {"name": "x"}).content == first.content
    settings.ENCRYPTION_KEY = Fernet.generate_key().decode()
    assert post(api, "k1", {"name": "x"}).error["code"] == "VALIDATION_ERROR"
