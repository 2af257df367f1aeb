"""Tokens of a sign-in and tokens for scripts: who comes in, with what, until when."""

import datetime

import jwt
import pytest
from django.test import Client
from django.utils import timezone

from cardocr_site.accounts import tokens, tries
from cardocr_site.accounts.models import AccessToken, User

PASSWORD = "curator-of-cards"


def signed_in(anonymous, name="ingrid", password=PASSWORD):
    return anonymous("post", "/auth/login", {"username": name, "password": password})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_sign_in_gives_a_token_for_a_day(anonymous, user):
    told = signed_in(anonymous).data
    assert told["token_type"] == "Bearer"
    until = datetime.datetime.fromisoformat(told["expires_at"]) - timezone.now()
    assert datetime.timedelta(hours=23, minutes=59) < until <= datetime.timedelta(hours=24)
    claims = jwt.decode(told["token"], options={"verify_signature": False})
    assert claims["sub"] == str(user.pk)
    assert anonymous("get", "/tokens", headers=bearer(told["token"])).data == {"items": [], "next": None, "total": 0}


def test_a_wrong_password_is_told_and_slows_down(anonymous, user):
    for _ in range(tries.FREE):
        anonymous.refused("AUTH_INVALID", "post", "/auth/login", {"username": "ingrid", "password": "no"})
    response = signed_in(anonymous)
    assert response.error["code"] == "RATE_LIMIT_EXCEEDED"
    assert 0 < int(response.headers["Retry-After"]) <= 600


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "AUTH_REQUIRED"),
        ("Basic aW5ncmlkOng=", "AUTH_INVALID"),
        ("Bearer", "AUTH_INVALID"),
        ("Bearer nonsense", "AUTH_INVALID"),
        ("Bearer cardocr_nonsense", "AUTH_INVALID"),
        ("Bearer a.b.c", "AUTH_INVALID"),
    ],
)
def test_who_sends_no_token_of_ours_does_not_come_in(anonymous, user, header, code):
    response = anonymous("get", "/tokens", headers={"Authorization": header} if header else {})
    assert response.error["code"] == code
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_signed_by_somebody_else_is_refused(anonymous, user):
    token, _until = tokens.sign_in(user)
    claims = jwt.decode(token, options={"verify_signature": False})
    for forged in (jwt.encode(claims, "x" * 32, algorithm="HS256"), jwt.encode(claims, None, algorithm="none")):
        anonymous.refused("AUTH_INVALID", "get", "/tokens", headers=bearer(forged))


def test_an_old_token_has_expired(anonymous, user, settings):
    settings.TOKEN_HOURS = -1
    anonymous.refused("AUTH_EXPIRED", "get", "/tokens", headers=bearer(tokens.sign_in(user)[0]))
    _row, token = tokens.make(user, "old", "read", -1)
    anonymous.refused("AUTH_EXPIRED", "get", "/tokens", headers=bearer(token))


def test_signing_out_revokes_that_token_alone(anonymous, user):
    one, two = signed_in(anonymous).data["token"], signed_in(anonymous).data["token"]
    assert anonymous("post", "/auth/logout", headers=bearer(one)).data is None
    anonymous.refused("AUTH_INVALID", "get", "/tokens", headers=bearer(one))
    assert anonymous("get", "/tokens", headers=bearer(two)).status_code == 200


def test_a_new_password_revokes_the_tokens_of_the_old_one(anonymous, user):
    token = signed_in(anonymous).data["token"]
    user.set_password("another-long-sentence")
    user.save()
    anonymous.refused("AUTH_INVALID", "get", "/tokens", headers=bearer(token))


def test_whoever_is_deactivated_comes_in_no_more_and_his_tokens_are_gone(anonymous, user):
    token = signed_in(anonymous).data["token"]
    _row, script = tokens.make(user, "nightly", "read", None)
    user.is_active = False
    user.save()
    for one in (token, script):
        anonymous.refused("AUTH_INVALID", "get", "/tokens", headers=bearer(one))
    assert not AccessToken.objects.exists()
    user.is_active = True
    user.save()
    anonymous.refused("AUTH_INVALID", "get", "/tokens", headers=bearer(token))


def test_the_first_password_is_changed_in_the_browser(anonymous, user):
    token = signed_in(anonymous).data["token"]
    User.objects.update(must_change_password=True)
    anonymous.refused("PERMISSION_DENIED", "get", "/tokens", headers=bearer(token))
    anonymous.refused("PERMISSION_DENIED", "post", "/auth/login", {"username": "ingrid", "password": PASSWORD})


def test_a_browsers_session_works_and_needs_the_token_of_its_form(anonymous, user):
    anonymous.client = Client(enforce_csrf_checks=True)
    anonymous.client.force_login(user)
    assert anonymous("get", "/tokens").status_code == 200
    anonymous.refused("PERMISSION_DENIED", "post", "/tokens", {"name": "x"})
    token = anonymous.client.get("/accounts/profile/").context["csrf_token"]
    assert anonymous("post", "/tokens", {"name": "x"}, headers={"X-CSRFToken": str(token)}).status_code == 201


def test_the_header_alone_decides_where_there_is_one(anonymous, user, other_user):
    anonymous.client.force_login(other_user)
    tokens.make(user, "hers", "read", None)
    told = anonymous("get", "/tokens", headers=bearer(tokens.sign_in(user)[0])).data
    assert [row["name"] for row in told["items"]] == ["hers"]
    anonymous.refused("AUTH_INVALID", "get", "/tokens", headers=bearer("wrong"))


# -- tokens for scripts


def test_a_script_has_a_token_that_is_told_once_and_kept_as_a_hash(api, anonymous):
    made = api("post", "/tokens", {"name": " Nightly export ", "scope": "read", "days": 30})
    assert made.status_code == 201
    token = made.data["token"]
    row = AccessToken.objects.get(kind=AccessToken.Kind.SCRIPT)
    assert token not in {row.key, row.name}
    assert (row.name, row.scope, row.last_used_at) == ("Nightly export", "read", None)
    listed = anonymous("get", "/tokens", headers=bearer(token)).data["items"]
    assert [set(one) for one in listed] == [{"id", "name", "scope", "created_at", "expires_at", "last_used_at"}]
    row.refresh_from_db()
    assert row.last_used_at is not None


def test_a_token_for_looking_changes_nothing(api, anonymous):
    token = api("post", "/tokens", {"name": "look", "scope": "read"}).data["token"]
    details = anonymous.refused("PERMISSION_DENIED", "post", "/tokens", {"name": "more"}, headers=bearer(token))
    assert details == {"scope": "read", "needed": "write"}
    token = api("post", "/tokens", {"name": "change", "scope": "write"}).data["token"]
    assert anonymous("post", "/tokens", {"name": "less"}, headers=bearer(token)).status_code == 201
    more = {"name": "more", "scope": "admin"}
    anonymous.refused("PERMISSION_DENIED", "post", "/tokens", more, headers=bearer(token))


def test_tokens_are_revoked_by_whom_they_belong_to(api, others_api):
    made = api("post", "/tokens", {"name": "look"}).data
    others_api.refused("RESOURCE_NOT_FOUND", "delete", f"/tokens/{made['id']}")
    assert api("delete", f"/tokens/{made['id']}").data is None
    api.refused("RESOURCE_NOT_FOUND", "delete", f"/tokens/{made['id']}")
    api.refused("RESOURCE_NOT_FOUND", "delete", f"/tokens/{2**70}")


@pytest.mark.parametrize(
    ("body", "names"),
    [({}, ["name"]), ({"name": " "}, ["name"]), ({"name": "x", "scope": "all", "days": 0}, ["days", "scope"])],
)
def test_what_is_wrong_with_a_token_is_told_by_input(api, body, names):
    assert sorted(api.refused("VALIDATION_ERROR", "post", "/tokens", body)) == names


# -- registration


NEW = {"username": "johan", "email": "johan@example.org", "password": "a-drawer-full-of-cards"}


def test_nobody_makes_an_account_unless_the_site_lets_them(anonymous, db):
    anonymous.refused("PERMISSION_DENIED", "post", "/auth/register", NEW)
    assert not User.objects.exists()


def test_where_it_does_one_is_signed_in_at_once(anonymous, db, settings):
    settings.SELF_REGISTRATION = True
    response = anonymous("post", "/auth/register", NEW)
    assert response.status_code == 201
    user = User.objects.get()
    assert (response.data["user_id"], user.email, user.is_superuser) == (str(user.pk), NEW["email"], False)
    assert anonymous("get", "/tokens", headers=bearer(response.data["token"])).status_code == 200


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"username": "jo"}, "username"),
        ({"username": "j" * 51}, "username"),
        ({"username": "jo han"}, "username"),
        ({"username": "Ingrid"}, "username"),
        ({"email": "nowhere"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "johan@example.org"}, "password"),
    ],
)
def test_what_is_wrong_with_an_account_is_told_by_input(anonymous, user, settings, change, name):
    settings.SELF_REGISTRATION = True
    assert list(anonymous.refused("VALIDATION_ERROR", "post", "/auth/register", NEW | change)) == [name]
    assert User.objects.count() == 1


@pytest.mark.parametrize("role", ["", "viewer"])
def test_whoever_makes_an_account_gets_the_role_of_the_setting(anonymous, db, settings, role):
    settings.SELF_REGISTRATION, settings.DEFAULT_ROLE = True, role
    body = {"username": "astrid", "email": "astrid@example.org", "password": "a long sentence of mine"}
    assert anonymous("post", "/auth/register", body).status_code == 201
    assert User.objects.get(username="astrid").role == role
