"""The page of the people, and closing an account on it."""

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from batches.models import Batch
from cardocr_site.accounts import invitations, people, tokens
from cardocr_site.accounts.models import AccessToken, AuditEntry, User


@pytest.fixture
def admins(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


def deactivate(admins: Client, person: User) -> Any:
    return admins.post(f"/accounts/people/{person.pk}/deactivate/")


def test_the_page_lists_everybody_with_role_state_and_last_sign_in(admins: Client, user: User, viewer: User):
    user.groups.add(Group.objects.create(name="Catalogue"))
    User.objects.filter(pk=viewer.pk).update(is_active=False, last_login="2026-11-20 10:30Z")
    page = " ".join(admins.get("/accounts/people/").text.split())
    rows = {
        name: page.partition(f"<bdi>{name}</bdi></a>")[2].partition("</tr>")[0]
        for name in ("Ingrid Solberg", "Magnus Berg")
    }
    for word in ("Operator", "Catalogue", "active", "never", "Deactivate"):
        assert word in rows["Ingrid Solberg"]
    for word in ("Viewer", "deactivated", "2026-11-20T10:30", "Let in again"):
        assert word in rows["Magnus Berg"]
    assert f"/admin/accounts/user/{user.pk}/change/" in page
    assert 'Deactivate<span class="vh"> admin' not in page  # not oneself


def test_people_are_found_by_all_of_the_words(admins: Client, user: User, other_user: User):
    found = admins.get("/accounts/people/", {"q": "berg magn"}).text
    assert "Magnus Berg" in found
    assert "Ingrid Solberg" not in found
    assert "Nobody is called that" in admins.get("/accounts/people/", {"q": "nobody"}).text


def test_many_people_come_in_pages_and_cost_no_more(admins: Client, django_assert_max_num_queries: Any):
    User.objects.bulk_create(User(username=f"person-{n:03d}") for n in range(60))
    with django_assert_max_num_queries(14):
        first = admins.get("/accounts/people/").text
    assert "person-030" in first
    assert "person-059" not in first
    assert "person-059" in admins.get("/accounts/people/", {"page": 2}).text


def test_the_way_there_is_offered_to_administrators_alone(admins: Client, user: User):
    assert 'href="/accounts/people/"' in admins.get("/batches/").text
    assert 'href="/accounts/people/"' in admins.get("/admin/").text
    others = Client()
    others.force_login(user)
    assert 'href="/accounts/people/"' not in others.get("/batches/").text


def test_closing_an_account_says_first_what_comes_of_it(admins: Client, user: User, batch: Batch):
    Batch.objects.update(status="running")
    tokens.make(user, "Nightly", AccessToken.Scope.READ, None)
    page = admins.get(f"/accounts/people/{user.pk}/deactivate/").text
    for sentence in ("1 token for scripts ends", "1 batch that is being read pauses", "1 batch stays, shared as it is"):
        assert sentence in page
    assert User.objects.get(pk=user.pk).is_active


def test_a_closed_account_is_out_at_once_and_may_be_let_in_again(admins: Client, user: User, batch: Batch):
    Batch.objects.update(status="running")
    _row, token = tokens.make(user, "Nightly", AccessToken.Scope.READ, None)
    ingrid = Client()
    ingrid.force_login(user)
    assert deactivate(admins, user).headers["Location"] == "/accounts/people/"
    assert "/login/" in ingrid.get("/batches/").headers["Location"]
    with pytest.raises(tokens.Invalid):
        tokens.find(token)
    batch.refresh_from_db()
    assert batch.status == "paused"
    entry = AuditEntry.objects.get(act="rights", object_id=str(user.pk))
    assert (entry.actor_name, entry.details) == ("admin", {"is_active": [True, False]})
    admins.post(f"/accounts/people/{user.pk}/let-in/")
    user.refresh_from_db()
    assert (user.is_active, user.role) == (True, "operator")
    assert AuditEntry.objects.filter(act="rights", details={"is_active": [False, True]}).exists()


def test_nobody_closes_ones_own_account(admins: Client, administrator: User):
    User.objects.create_superuser("second")
    answer = deactivate(admins, administrator)
    assert answer.status_code == 422
    assert "This is your own account" in answer.text
    assert User.objects.get(pk=administrator.pk).is_active


def test_one_administrator_with_a_password_of_the_site_is_left(administrator: User, user: User):
    user.role, user.source = "administrator", "proxy"
    user.save()
    with pytest.raises(people.Kept, match="last administrator"):
        people.deactivate(administrator, user)
    User.objects.create_superuser("second")
    people.deactivate(administrator, user)
    assert not administrator.is_active


def test_invitations_are_listed_with_their_state(admins: Client, administrator: User):
    for name in ("Open", "Revoked"):
        made, _link = invitations.make(administrator, "viewer", first_name=name, last_name="Person")
    invitations.revoke(made, administrator)
    page = " ".join(admins.get("/accounts/people/").text.split())
    assert "holds until" in page.partition("Open Person</bdi>")[2].partition("</tr>")[0]
    revoked = page.partition("Revoked Person</bdi>")[2].partition("</tr>")[0]
    assert "revoked" in revoked
    assert "formaction" not in revoked
