"""Signing in and out, the slow-down, the forced change."""

import datetime
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group
from django.test import Client, RequestFactory
from django.utils import timezone

from cardocr_site.accounts import tries
from cardocr_site.accounts.addresses import client_address
from cardocr_site.accounts.models import SignInTries, User

PASSWORD = "curator-of-cards"


def sign_in(client: Client, name: str = "ingrid", password: str = PASSWORD, **more: str) -> Any:
    return client.post("/accounts/login/", {"username": name, "password": password, **more})


def fail(client: Client, times: int, **more: Any) -> Any:
    return [client.post("/accounts/login/", {"username": "ingrid", "password": "wrong"}, **more) for _ in range(times)]


def test_the_right_password_leads_to_the_batches(client: Client, user: User):
    assert sign_in(client).headers["Location"] == "/batches/"


def test_the_way_back_is_followed_only_on_this_site(client: Client, user: User):
    assert sign_in(client, next="/trash/").headers["Location"] == "/trash/"
    client.logout()
    assert sign_in(client, next="https://evil.example.org/").headers["Location"] == "/batches/"


def test_a_wrong_password_is_said_with_the_tries_left(client: Client, user: User):
    answer = fail(client, 2)[-1]
    assert answer.status_code == 422
    assert "That name and password do not go together." in answer.text
    assert "After 3 more tries the name is closed for 10 minutes." in answer.text
    assert "wrong" not in answer.text.replace("went wrong", "")


def test_five_failures_close_the_name_even_for_the_right_password(client: Client, user: User):
    assert "It opens again at" in fail(client, 5)[-1].text
    answer = sign_in(client)
    assert answer.status_code == 422
    assert "in 10 minutes" in answer.text


def test_a_closed_name_opens_again_after_its_time(client: Client, user: User):
    fail(client, 5)
    SignInTries.objects.update(closed_until=timezone.now() - datetime.timedelta(seconds=1))
    assert "It opens again at" in fail(client, 1)[0].text
    SignInTries.objects.update(closed_until=timezone.now() - datetime.timedelta(seconds=1))
    assert sign_in(client).status_code == 302
    assert not SignInTries.objects.exists()


def test_old_failures_are_forgotten(client: Client, user: User):
    fail(client, 4)
    SignInTries.objects.update(at=timezone.now() - datetime.timedelta(days=2))
    assert "After 4 more tries" in fail(client, 1)[0].text


def test_another_name_and_another_address_stay_open(client: Client, user: User, other_user: User):
    fail(client, 5)
    assert sign_in(client, "magnus").status_code == 302
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert sign_in(elsewhere).status_code == 302


def test_the_admin_has_no_door_of_its_own(client: Client, administrator: User):
    answer = client.get("/admin/", follow=True)
    assert answer.request["PATH_INFO"] == "/accounts/login/"
    assert sign_in(client, "admin", "administrator-of-cards", next="/admin/").headers["Location"] == "/admin/"


def test_people_who_are_no_staff_are_told_so(client: Client, user: User):
    client.force_login(user)
    answer = client.get("/admin/", follow=True)
    assert answer.status_code == 403
    assert "not as staff" in answer.text


def test_every_way_of_signing_in_is_slowed(user: User):
    for _ in range(5):
        assert authenticate(None, username="ingrid", password="wrong") is None
    assert authenticate(None, username="ingrid", password=PASSWORD) is None
    tries.forget("ingrid", "")
    assert authenticate(None, username="ingrid", password=PASSWORD) == user


def test_names_as_typed_are_not_kept(client: Client, user: User):
    sign_in(client, "my-secret-typed-into-the-wrong-box")
    assert "secret" not in SignInTries.objects.get().key


def test_inactive_accounts_look_like_wrong_passwords(client: Client, user: User):
    User.objects.update(is_active=False)
    assert "do not go together" in sign_in(client).text


def test_staying_signed_in_is_asked_for(client: Client, user: User):
    sign_in(client)
    assert client.session.get_expire_at_browser_close()
    client.logout()
    sign_in(client, stay="on")
    assert not client.session.get_expire_at_browser_close()


def test_signing_out_needs_a_post(client: Client, user: User):
    client.force_login(user)
    assert client.get("/accounts/logout/").status_code == 405
    assert client.post("/accounts/logout/").headers["Location"] == "/accounts/login/"
    assert "_auth_user_id" not in client.session


def test_a_first_password_opens_only_the_page_that_changes_it(client: Client, user: User):
    User.objects.update(must_change_password=True)
    client.force_login(user)
    answer = client.get("/batches/", follow=True)
    assert answer.request["PATH_INFO"] == "/accounts/password/"
    assert "Choose a password of your own first." in answer.text
    assert client.get("/admin/").headers["Location"] == "/accounts/password/"
    assert client.get("/trash/", headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/accounts/password/"
    assert client.post("/i18n/setlang/", {"language": "de"}).status_code == 302
    assert client.post("/accounts/logout/").status_code == 302


def test_a_changed_password_opens_the_rest(client: Client, user: User):
    User.objects.update(must_change_password=True)
    client.force_login(user)
    new = {"old_password": PASSWORD, "new_password1": "a-better-one-for-me", "new_password2": "a-better-one-for-me"}
    assert client.post("/accounts/password/", new).status_code == 302
    user.refresh_from_db()
    assert not user.must_change_password
    assert user.check_password("a-better-one-for-me")


@pytest.mark.parametrize(("new", "why"), [("short", "too short"), ("password1234", "too common")])
def test_weak_passwords_are_refused(client: Client, user: User, new: str, why: str):
    client.force_login(user)
    fields = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    answer = client.post("/accounts/password/", fields)
    assert answer.status_code == 422
    assert why in answer.text


def test_the_sign_in_page_speaks_the_chosen_language(client: Client, db: None):
    client.post("/i18n/setlang/", {"language": "de", "next": "/accounts/login/"})
    text = client.get("/accounts/login/").text
    assert '<html lang="de">' in text
    assert "Anmelden" in text


def test_a_forgotten_password_has_a_page(client: Client, db: None):
    assert "manage.py changepassword admin" in client.get("/accounts/forgotten/").text


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("192.0.2.1", "", [], "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", [], "192.0.2.1"),
        ("127.0.0.1", "198.51.100.7", ["127.0.0.1"], "198.51.100.7"),
        ("10.0.0.2", "203.0.113.9, 198.51.100.7, 10.0.0.3", ["10.0.0.0/8"], "198.51.100.7"),
        ("127.0.0.1", "no address", ["127.0.0.1"], "no address"),
        ("2001:db8::1:2", "", [], "2001:db8::/64"),
    ],
)
def test_who_is_calling(settings: Any, peer: str, forwarded: str, trusted: list[str], expected: str):
    settings.TRUSTED_PROXIES = trusted
    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers={"X-Forwarded-For": forwarded} if forwarded else {})
    assert client_address(request) == expected


def test_many_tries_at_once_get_no_more(user: User):
    assert [tries.take("ingrid", "192.0.2.1") for _ in range(6)] == [True] * 5 + [False]


def test_django_s_own_flags_follow_the_role(user: User) -> None:
    assert (user.role, user.is_superuser, user.is_staff) == ("operator", False, False)
    user.role = "administrator"
    user.save(update_fields=["role"])
    user.refresh_from_db()
    assert (user.is_administrator, user.is_superuser, user.is_staff) == (True, True, True)
    user.role = "viewer"
    user.save()
    user.refresh_from_db()
    assert (user.is_administrator, user.is_superuser, user.is_staff) == (False, False, False)
    assert User.objects.create_superuser("root").role == "administrator"


def test_a_role_that_does_not_exist_is_none(user: User) -> None:
    user.role = "none"  # written by a script, past the forms
    assert [user.sees, user.corrects, user.runs, user.is_administrator] == [False] * 4


def test_a_flag_alone_makes_nobody_an_administrator(user: User) -> None:
    user.is_superuser = user.is_staff = True
    user.save()
    user.refresh_from_db()
    assert (user.is_superuser, user.is_staff) == (False, False)


def test_the_admin_gives_roles_and_groups_and_no_single_permissions(client: Client, administrator: User) -> None:
    client.force_login(administrator)
    person = {"username": "solveig", "role": "reviewer", "usable_password": "false", "must_change_password": "on"}
    client.post("/admin/accounts/user/add/", person)
    made = User.objects.get(username="solveig")
    assert (made.role, made.is_staff) == ("reviewer", False)
    page = client.get(f"/admin/accounts/user/{made.pk}/change/").text
    assert 'name="role"' in page
    for name in ("is_superuser", "is_staff", "user_permissions"):
        assert f'name="{name}"' not in page
    client.post("/admin/auth/group/add/", {"name": "Catalogue"})
    group = Group.objects.get(name="Catalogue")
    assert 'name="permissions"' not in client.get(f"/admin/auth/group/{group.pk}/change/").text
    client.post(f"/admin/accounts/user/{made.pk}/change/", person | {"is_active": "on", "role": "", "groups": group.pk})
    made.refresh_from_db()
    assert (made.role, made.sees, list(made.groups.all())) == ("", False, [group])
