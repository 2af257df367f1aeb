"""Groups outside bring a role and the groups of the same names here, anew at each sign-in."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from batches.models import Batch, BatchShare
from cardocr_site import signon
from cardocr_site.accounts import outside
from cardocr_site.accounts.models import User
from tests.site.test_settings import run


@pytest.fixture(autouse=True)
def _groups(settings: Any, db: None) -> None:
    settings.GROUP_ROLES = signon.group_roles("archive-admins=administrator; cataloguers=operator;house=none;library")


def come(*groups: str) -> User:
    user = outside.take("ingrid", User.Source.PROXY, groups)
    user.refresh_from_db()
    return user


def named(user: User) -> set[str]:
    return set(user.groups.values_list("name", flat=True))


def test_the_highest_role_counts() -> None:
    assert come("cataloguers").role == "operator"
    assert come("cataloguers", "house").role == "operator"
    admin = come("cataloguers", "archive-admins")
    assert (admin.role, admin.is_staff, admin.is_superuser) == ("administrator", True, True)


def test_without_a_group_that_brings_one_the_default_holds(settings: Any) -> None:
    settings.DEFAULT_ROLE = "viewer"
    assert come("library", "of no account").role == "viewer"
    assert come("house").role == ""


def test_what_a_group_had_brought_goes_with_it(settings: Any) -> None:
    settings.DEFAULT_ROLE = "viewer"
    come("archive-admins")
    left = come("library")
    assert (left.role, left.is_staff) == ("viewer", False)


def test_what_an_administrator_gave_stays_where_no_group_says_otherwise() -> None:
    come()
    User.objects.update(role="reviewer")
    assert come("library").role == "reviewer"
    assert come("cataloguers").role == "operator"


def test_groups_here_follow_those_outside() -> None:
    Group.objects.create(name="Choir")
    assert named(come("library", "cataloguers", "Choir", "all-staff-of-the-town")) == {
        "library",
        "cataloguers",
        "Choir",
    }
    assert named(come("library")) == {"library"}
    assert not Group.objects.filter(name="all-staff-of-the-town").exists()


def test_groups_that_an_administrator_gave_stay() -> None:
    given = Group.objects.create(name="Given here")
    come("library").groups.add(given)
    assert named(come()) == {"Given here"}


def test_nothing_said_of_groups_changes_nothing() -> None:
    come("cataloguers")
    user = outside.take("ingrid", User.Source.PROXY)
    assert (user.role, named(user)) == ("operator", {"cataloguers"})


def test_batches_are_shared_with_a_group_from_outside(batch: Batch) -> None:
    User.objects.filter(pk=batch.owner_id).update(username="solveig")
    Batch.objects.update(everybody="none")
    ingrid = come("library", "cataloguers")
    BatchShare.objects.create(batch=batch, group=Group.objects.get(name="library"))
    assert Batch.objects.visible_to(ingrid).get() == batch
    assert not Batch.objects.visible_to(come("cataloguers")).exists()


def test_a_refused_account_follows_no_group(administrator: User) -> None:
    with pytest.raises(outside.Turned):
        outside.take("admin", User.Source.PROXY, ["house", "library"])
    administrator.refresh_from_db()
    assert (administrator.role, named(administrator)) == ("administrator", set())


@pytest.mark.parametrize("between", [",", "; ", "|"])
def test_a_proxy_names_the_groups_in_a_header(settings: Any, between: str) -> None:
    settings.REMOTE_USER_HEADER, settings.REMOTE_GROUPS_HEADER = "X-Remote-User", "X-Remote-Groups"
    settings.TRUSTED_PROXIES = ["10.0.0.2"]
    client = Client(REMOTE_ADDR="10.0.0.2", headers={"X-Remote-User": "ingrid"})
    client.get("/batches/", headers={"X-Remote-Groups": f"library{between}cataloguers"})
    assert (User.objects.get().role, named(User.objects.get())) == ("operator", {"library", "cataloguers"})
    client.post("/accounts/logout/")
    client.get("/batches/")
    assert (User.objects.get().role, named(User.objects.get())) == ("", set())


def test_groups_from_elsewhere_are_nobody_s(settings: Any) -> None:
    settings.REMOTE_USER_HEADER, settings.REMOTE_GROUPS_HEADER = "X-Remote-User", "X-Remote-Groups"
    settings.TRUSTED_PROXIES = ["10.0.0.2"]
    come()
    headers = {"X-Remote-User": "ingrid", "X-Remote-Groups": "archive-admins"}
    assert Client().get("/batches/", headers=headers).status_code == 302
    assert come().role == ""


def test_groups_and_roles_are_read_as_they_are_written() -> None:
    assert signon.group_roles("a=b=viewer; CN x = Operator ;c;") == {"a=b": "viewer", "CN x": "operator", "c": None}


@pytest.mark.parametrize("text", ["cataloguers=boss", "=viewer", "cataloguers=", f"{'x' * 151}=viewer"])
def test_what_is_no_role_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="CARDOCR_GROUP_ROLES: "):
        signon.group_roles(text)


def test_nobody_is_an_administrator_by_default(tmp_path: Path) -> None:
    answer = run(tmp_path, CARDOCR_DEFAULT_ROLE="administrator")
    assert answer.returncode != 0
    assert "everybody who comes from outside would be an administrator" in answer.stderr
