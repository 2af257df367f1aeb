"""Invitations: made by administrators, used once, by a page."""

import datetime
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils import timezone

from cardocr_site.accounts import invitations, joining
from cardocr_site.accounts.models import AuditEntry, Invitation, User
from cardocr_site.redaction import redacted

OWN = {"username": "solveig", "password": "a-drawer-full-of-cards", "email": ""}
Make = Callable[..., str]


@pytest.fixture
def admins(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


@pytest.fixture
def make(administrator: User) -> Make:
    """The path of a link."""
    return lambda role="reviewer", **more: path_of(invitations.make(administrator, role, **more)[1])


def path_of(link: str) -> str:
    return link.removeprefix("http://127.0.0.1:8000")


def token_of(path: str) -> str:
    return path.split("/")[-2]


def invite(admins: Client, **fields: Any) -> Any:
    return admins.post("/accounts/people/invite/", {"role": "reviewer", "days": 7, **fields})


def test_an_administrator_makes_a_link_that_is_shown_once(admins: Client, administrator: User):
    group = Group.objects.create(name="Catalogue")
    fields = {"first_name": "Solveig", "last_name": "Lund", "email": "solveig@example.org", "groups": group.pk}
    answer = invite(admins, **fields)
    found = re.search(r'value="(http://127\.0\.0\.1:8000/accounts/invitation/[\w-]+/)"', answer.text)
    assert found is not None
    assert "no-store" in answer.headers["Cache-Control"]
    made = Invitation.objects.get()
    assert (made.role, list(made.groups.all()), made.made_by) == ("reviewer", [group], administrator)
    assert datetime.timedelta(days=6.9) < made.expires_at - timezone.now() <= datetime.timedelta(days=7)
    assert token_of(found[1]) not in repr(list(Invitation.objects.values()) + list(AuditEntry.objects.values()))
    assert token_of(found[1]) not in admins.get("/accounts/people/").text
    assert mail.outbox == []

    visitor = Client()
    assert "admin invites you" in visitor.get(path_of(found[1])).text
    assert visitor.post(path_of(found[1]), OWN | {"email": "s@example.org"}).headers["Location"] == "/"
    user = User.objects.get(username="solveig")
    assert (user.role, user.email, user.get_full_name()) == ("reviewer", "s@example.org", "Solveig Lund")
    assert list(user.groups.all()) == [group]
    assert visitor.get("/batches/").status_code == 200
    acts = dict(AuditEntry.objects.filter(object_kind="invitation").values_list("act", "details"))
    assert acts["invited"] == {"role": "reviewer", "groups": ["Catalogue"], "days": 7}
    assert acts["invitation_used"] == {"user": "solveig", "role": "reviewer", "invited_by": "admin"}


def test_what_is_wrong_with_an_invitation_is_said(admins: Client):
    for wrong in ({"email": "nowhere"}, {"role": "king"}, {"days": 3000}):
        answer = invite(admins, **wrong)
        assert answer.status_code == 422
        assert f'id="id_{next(iter(wrong))}_error"' in answer.text
    assert not Invitation.objects.exists()


def test_it_works_once(client: Client, make: Make):
    path = make()
    client.get(path)
    client.head(path)
    assert client.post(path, OWN).status_code == 302
    for again in (client.get(path), Client().post(path, OWN | {"username": "another"})):
        assert again.status_code == 404
        assert "This invitation opens nothing" in again.text
    assert not User.objects.filter(username="another").exists()


def test_of_two_uses_at_once_one_makes_an_account(make: Make, monkeypatch: pytest.MonkeyPatch):
    """The second is done while the first, which has found the invitation open, works on its password."""
    token, prepare = token_of(make()), joining.prepare

    def slowly(*args: Any) -> User:
        monkeypatch.setattr(joining, "prepare", prepare)
        invitations.accept(token, "quick", "", OWN["password"])
        return prepare(*args)

    monkeypatch.setattr(joining, "prepare", slowly)
    with pytest.raises(invitations.Gone):
        invitations.accept(token, "slow", "", OWN["password"])
    assert list(User.objects.exclude(username="admin").values_list("username", flat=True)) == ["quick"]


def test_one_that_is_refused_can_be_tried_again(client: Client, user: User, make: Make):
    path = make()
    for change, said in ({"username": "Ingrid"}, "taken"), ({"password": "short"}, "too short"):
        answer = client.post(path, OWN | change)
        assert answer.status_code == 422
        assert said in answer.text
    assert client.post(path, OWN).status_code == 302


def test_one_lost_to_a_name_taken_meanwhile_stays_open(make: Make, monkeypatch: pytest.MonkeyPatch):
    token, prepare = token_of(make()), joining.prepare

    def slowly(*args: Any) -> User:
        User.objects.create_user("solveig")
        return args[0]

    monkeypatch.setattr(joining, "prepare", slowly)
    with pytest.raises(joining.Unfit):
        invitations.accept(token, "solveig", "", OWN["password"])
    monkeypatch.setattr(joining, "prepare", prepare)
    assert invitations.accept(token, "solveig-2", "", OWN["password"]).role == "reviewer"


def test_it_runs_out(client: Client, make: Make):
    path = make(days=1)
    Invitation.objects.update(expires_at=timezone.now())
    assert client.post(path, OWN).status_code == 404
    assert Invitation.objects.get().state == "expired"


def test_it_can_be_revoked_until_it_is_used(admins: Client, make: Make):
    path, used = make(), make()
    first, second = Invitation.objects.order_by("pk")
    Client().post(used, OWN)
    assert admins.post(f"/accounts/people/invitations/{first.pk}/revoke/").status_code == 302
    assert Client().post(path, OWN | {"username": "late"}).status_code == 404
    page = admins.post(f"/accounts/people/invitations/{second.pk}/revoke/", follow=True)
    assert "nothing left to revoke" in page.text
    assert [one.state for one in Invitation.objects.order_by("pk")] == ["revoked", "used"]
    assert AuditEntry.objects.filter(act="invitation_revoked").count() == 1


@pytest.mark.parametrize("change", [{"role": "operator"}, {"is_active": False}])
def test_it_ends_with_the_rights_of_whoever_made_it(client: Client, make: Make, administrator: User, change: Any):
    path = make()
    for field, value in change.items():
        setattr(administrator, field, value)
    administrator.save(update_fields=list(change))
    assert client.post(path, OWN).status_code == 404
    User.objects.update(role="administrator", is_active=True)  # made one again: it stays ended
    assert client.post(path, OWN).status_code == 404
    assert Invitation.objects.get().state == "revoked"


def test_rights_taken_past_the_forms_end_it_too(client: Client, make: Make):
    path = make()
    User.objects.update(role="viewer")
    assert client.post(path, OWN).status_code == 404


def test_what_is_no_invitation_opens_nothing(client: Client, db: None):
    for token in ("x", "cardocr_join_" + "a" * 43, "%ed%a0%80", "a%00b"):
        assert client.get(f"/accounts/invitation/{token}/").status_code == 404


def test_it_is_mailed_where_the_site_sends_mail(admins: Client, settings: Any):
    settings.EMAIL_URL, settings.DEFAULT_FROM_EMAIL = "smtp://mail.example.org", "cards@example.org"
    answer = invite(admins, email="solveig@example.org")
    assert "The link has been mailed to solveig@example.org." in answer.text
    letter = mail.outbox[0]
    assert letter.to == ["solveig@example.org"]
    link = re.search(r"^http://127\.0\.0\.1:8000/accounts/invitation/.*$", str(letter.body), re.MULTILINE)
    assert link is not None
    assert Client().post(path_of(link[0]), OWN).status_code == 302


def test_where_the_mail_does_not_go_out_the_link_still_shows(admins: Client, settings: Any, monkeypatch: Any):
    def refuse(*args: Any) -> int:
        raise ConnectionRefusedError

    settings.EMAIL_URL = "smtp://mail.example.org"
    monkeypatch.setattr(EmailBackend, "send_messages", refuse)
    answer = invite(admins, email="solveig@example.org")
    assert "could not be mailed" in answer.text
    assert "/accounts/invitation/cardocr_join_" in answer.text


def test_those_of_long_ago_are_not_kept(make: Make):
    make()
    Invitation.objects.update(expires_at=timezone.now() - invitations.KEPT)
    make()
    assert [one.state for one in Invitation.objects.all()] == ["open"]


def test_no_log_keeps_its_link(make: Make):
    path = make()
    assert token_of(path) not in redacted(f"Internal Server Error: {path}")


def test_whoever_is_signed_in_is_told_that_it_is_for_somebody_else(admins: Client, make: Make):
    assert "You are signed in as admin." in admins.get(make()).text
