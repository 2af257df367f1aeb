"""Accounts that people make themselves."""

from typing import Any

import pytest
from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError
from django.test import Client

from cardocr_site.accounts import joining
from cardocr_site.accounts.models import AuditEntry, User

NEW = {"username": "johan", "email": "johan@example.org", "password": "a-drawer-full-of-cards"}


@pytest.fixture
def open_site(settings: Any, db: None) -> Any:
    settings.SELF_REGISTRATION = True
    return settings


def test_there_is_no_page_unless_the_site_lets_people(client: Client, db: None):
    assert client.get("/accounts/register/").status_code == 404
    assert client.post("/accounts/register/", NEW).status_code == 404
    assert "/accounts/register/" not in client.get("/accounts/login/").text
    with pytest.raises(joining.Closed):
        joining.register(**NEW)
    assert not User.objects.exists()


def test_where_it_does_the_sign_in_page_leads_there_and_one_is_in(client: Client, open_site: Any):
    open_site.DEFAULT_ROLE = "viewer"
    assert 'href="/accounts/register/"' in client.get("/accounts/login/").text
    assert client.post("/accounts/register/", NEW).headers["Location"] == "/"
    user = User.objects.get()
    assert (user.username, user.email, user.role) == ("johan", "johan@example.org", "viewer")
    assert user.check_password(NEW["password"])
    assert client.session["_auth_user_id"] == str(user.pk)
    assert client.get("/batches/").status_code == 200
    acts = AuditEntry.objects.filter(act__in=["registered", "sign_in"]).values_list("act", "actor_name", "address")
    assert set(acts) == {("registered", "johan", "127.0.0.1"), ("sign_in", "johan", "127.0.0.1")}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"username": "jo"}, "At least 3 letters."),
        ({"username": "j" * 51}, "At most 50 letters."),
        ({"username": "jo han"}, "Enter a valid username"),
        ({"username": "Ingrid"}, "This name is taken."),
        ({"email": "nowhere"}, "valid email address"),
        ({"password": "short"}, "too short"),
        ({"password": "johan@example.org"}, "too similar"),
        ({"password": ""}, "This field is required."),
    ],
)
def test_what_is_wrong_is_said_with_its_input(client: Client, user: User, open_site: Any, change: Any, said: str):
    answer = client.post("/accounts/register/", NEW | change)
    assert answer.status_code == 422
    assert said in answer.text
    assert f'id="id_{next(iter(change))}_error"' in answer.text
    assert NEW["password"] not in answer.text
    assert User.objects.count() == 1


def test_of_two_at_once_one_gets_the_name(open_site: Any, monkeypatch: pytest.MonkeyPatch):
    def save(self: AbstractUser, **more: Any) -> None:
        raise IntegrityError

    monkeypatch.setattr(User, "save", save)
    with pytest.raises(joining.Unfit) as refused:
        joining.register(**NEW)
    assert refused.value.problems == {"username": ["This name is taken."]}


def test_a_password_keeps_its_spaces(client: Client, open_site: Any):
    client.post("/accounts/register/", NEW | {"password": " two words and a drawer "})
    assert User.objects.get().check_password(" two words and a drawer ")
