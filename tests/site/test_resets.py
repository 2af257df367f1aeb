"""New passwords: by a link of an administrator's, or by mail."""

import datetime
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from django.utils import timezone

from batches.drain.mailing import Mailing
from cardocr_site.accounts import first, people, resets, tokens
from cardocr_site.accounts.models import AccessToken, AuditEntry, ResetAsked, User
from cardocr_site.redaction import redacted

NEW = "another-drawer-of-cards"
TWICE = {"new_password1": NEW, "new_password2": NEW}
Clock = Callable[[datetime.timedelta], None]


@pytest.fixture
def link(user: User, administrator: User) -> str:
    return path_of(resets.make_link(user, administrator))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of Django's token generator."""

    def move(on: datetime.timedelta) -> None:
        monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self: datetime.datetime.now() + on)  # noqa: DTZ005

    return move


def path_of(link: str) -> str:
    return link.removeprefix("http://127.0.0.1:8000")


def use(path: str, client: Client | None = None, **change: str) -> Any:
    """Open the link, and send the form of the page that it leads to."""
    client = client or Client()
    opened = client.get(path)
    return client.post(opened.headers["Location"], TWICE | change) if opened.status_code == 302 else opened


def test_an_administrator_gets_a_link_that_is_shown_once(client: Client, user: User, administrator: User):
    client.force_login(administrator)
    answer = client.post(f"/accounts/people/{user.pk}/password-link/")
    found = re.search(r'value="(http://127\.0\.0\.1:8000/accounts/reset/[\w-]+/[\w-]+/)"', answer.text)
    assert found is not None
    assert "no-store" in answer.headers["Cache-Control"]
    assert user.check_password("curator-of-cards")  # until it is used
    assert use(path_of(found[1])).headers["Location"] == "/accounts/login/"
    assert User.objects.get(pk=user.pk).check_password(NEW)
    acts = AuditEntry.objects.filter(object_id=str(user.pk)).order_by("pk").values_list("act", "actor_name")
    assert list(acts)[-3:] == [("reset_link", "admin"), ("password", ""), ("reset_used", "")]


def test_the_page_itself_has_no_link_in_its_address(client: Client, link: str):
    answer = client.get(link, follow=True)
    assert answer.status_code == 200
    assert "Choose a password" in answer.text
    assert answer.request["PATH_INFO"].endswith("/set-password/")


def test_it_works_once(link: str, user: User):
    use(link)
    answer = use(link)
    assert answer.status_code == 404
    assert "This link opens nothing any more" in answer.text


def test_of_two_uses_at_once_one_comes_through(link: str, user: User):
    """Both have opened the page before either sends it."""
    one, two = Client(), Client()
    pages = [client.get(link).headers["Location"] for client in (one, two)]
    assert one.post(pages[0], TWICE).status_code == 302
    other = {"new_password1": "yet-another-drawer", "new_password2": "yet-another-drawer"}
    assert two.post(pages[1], other).status_code == 404
    token = link.split("/")[-2]
    with pytest.raises(resets.Gone):  # had it been found good a moment before
        resets.use(user, token, "yet-another-drawer")
    assert User.objects.get(pk=user.pk).check_password(NEW)


@pytest.mark.parametrize(("hours", "status"), [(23, 302), (25, 404)])
def test_it_holds_for_a_day(link: str, clock: Clock, hours: int, status: int):
    clock(datetime.timedelta(hours=hours))
    assert use(link).status_code == status


@pytest.mark.parametrize(
    "change",
    [
        lambda user: user.set_password("changed-otherwise"),
        lambda user: setattr(user, "last_login", timezone.now()),
        lambda user: setattr(user, "email", "elsewhere@example.org"),
        lambda user: setattr(user, "is_active", False),
        lambda user: setattr(user, "source", "oidc"),
    ],
)
def test_it_ends_when_the_account_changes(link: str, user: User, change: Callable[[User], None]):
    change(user)
    user.save()
    assert use(link).status_code == 404


def test_with_its_use_sessions_and_tokens_end(link: str, user: User, settings: Any):
    _row, script = tokens.make(user, "Nightly", AccessToken.Scope.READ, None)
    signed_in, _until = tokens.sign_in(user)
    ingrid = Client()
    ingrid.force_login(user)
    user.refresh_from_db()
    assert ingrid.get("/batches/").status_code == 200
    link = path_of(resets.make_link(user, user))  # the sign-in has ended the other
    use(link)
    assert "/login/" in ingrid.get("/batches/").headers["Location"]
    for token in (script, signed_in):
        with pytest.raises(tokens.Invalid):
            tokens.find(token)
    assert AuditEntry.objects.filter(act="token_revoked").count() == 1


def test_it_opens_a_name_that_tries_have_closed(user: User, administrator: User):
    client = Client()
    for _ in range(5):
        client.post("/accounts/login/", {"username": "ingrid", "password": "wrong"})
    use(path_of(resets.make_link(user, administrator)), client)
    assert client.post("/accounts/login/", {"username": "ingrid", "password": NEW}).status_code == 302


def test_what_is_wrong_with_the_password_is_said_and_the_link_still_works(link: str):
    client = Client()
    answer = use(link, client, new_password2="something else")
    assert answer.status_code == 422
    assert "The password has not been set." in answer.text
    assert use(link, client).status_code == 302


def test_a_first_password_need_not_be_changed_again(user: User, administrator: User):
    user.must_change_password = True
    user.save()
    client = Client()
    client.force_login(user)
    user.refresh_from_db()
    assert use(path_of(resets.make_link(user, administrator)), client).status_code == 302  # though signed in
    assert not User.objects.get(pk=user.pk).must_change_password


def test_the_generated_password_of_the_first_administrator_goes(administrator: User, settings: Any):
    first.leave_in_file("generated")
    use(path_of(resets.make_link(administrator, administrator)))
    assert not first.password_file().exists()


def test_a_person_without_a_password_gets_one_by_the_link_alone(administrator: User):
    person = User.objects.create_user("solveig")
    assert not person.has_usable_password()
    use(path_of(resets.make_link(person, administrator)))
    assert User.objects.get(pk=person.pk).check_password(NEW)


@pytest.mark.parametrize(("change", "why"), [({"is_active": False}, "deactivated"), ({"source": "oidc"}, "OpenID")])
def test_no_link_is_made_where_a_password_would_open_nothing(
    client: Client, user: User, administrator: User, change: dict[str, Any], why: str
):
    User.objects.filter(pk=user.pk).update(**change)
    client.force_login(administrator)
    page = client.post(f"/accounts/people/{user.pk}/password-link/", follow=True)
    assert why in page.text
    assert "/accounts/reset/" not in page.text
    with pytest.raises(people.Kept):
        resets.make_link(User.objects.get(pk=user.pk), administrator)


def test_no_log_keeps_the_link(link: str):
    assert link.split("/")[-2] not in redacted(f"Internal Server Error: {link}")


# -- by mail


@pytest.fixture
def mailing(settings: Any) -> Iterator[Mailing]:
    settings.EMAIL_URL, settings.DEFAULT_FROM_EMAIL = "smtp://mail.example.org", "cards@example.org"
    return Mailing()


@pytest.fixture
def reachable(user: User) -> User:
    user.email = "ingrid@example.org"
    user.save()
    return user


def ask(email: str = "ingrid@example.org", client: Client | None = None) -> Any:
    return (client or Client()).post("/accounts/forgotten/", {"email": email})


def test_where_no_mail_is_sent_the_page_says_whom_to_ask(client: Client, user: User):
    assert 'href="/accounts/forgotten/"' in client.get("/accounts/login/").text
    for answer in (client.get("/accounts/forgotten/"), ask()):
        assert "An administrator makes you a link" in answer.text
        assert 'name="email"' not in answer.text
    assert not ResetAsked.objects.exists()


def test_a_link_is_mailed_by_the_consumer(mailing: Mailing, reachable: User):
    assert "a letter with a link is on its way" in ask("Ingrid@Example.org").text
    assert mail.outbox == []  # nothing is looked up while somebody waits for the answer
    mailing.round()
    letter = mail.outbox[0]
    assert letter.to == ["ingrid@example.org"]
    assert "“ingrid”" in letter.body
    found = re.search(r"^http://127\.0\.0\.1:8000(/accounts/reset/.*)$", str(letter.body), re.MULTILINE)
    assert found is not None
    assert use(found[1]).status_code == 302
    mailing.round()
    assert len(mail.outbox) == 1
    assert AuditEntry.objects.get(act="reset_mailed").object_name == "ingrid"


def test_the_answer_is_the_same_and_costs_the_same_whoever_asks(
    mailing: Mailing, reachable: User, django_assert_num_queries: Any
):
    pages = []
    for email in ("ingrid@example.org", "nobody@example.org"):
        client = Client()
        ask("warm@example.org", client)
        with django_assert_num_queries(3) as queries:
            pages.append(re.sub(r'(csrfmiddlewaretoken" value=)"\w+"', r"\1", ask(email, client).text))
        assert not [one for one in queries if "accounts_user" in one["sql"]]
    assert pages[0] == pages[1]
    mailing.round()
    assert [letter.to for letter in mail.outbox] == [["ingrid@example.org"]]
    entry = AuditEntry.objects.filter(act="reset_asked")[0]
    assert (entry.address, entry.object_name, entry.details) == ("127.0.0.1", "", {})


def test_what_is_no_address_is_said(mailing: Mailing, db: None):
    answer = ask("nowhere")
    assert answer.status_code == 422
    assert 'id="id_email_error"' in answer.text


def test_an_address_gets_no_second_letter_so_soon(mailing: Mailing, reachable: User):
    for _ in range(3):
        ask()
        mailing.round()
    assert len(mail.outbox) == 1
    ResetAsked.objects.update(at=timezone.now() - resets.QUIET)
    ask()
    mailing.round()
    assert len(mail.outbox) == 2


@pytest.mark.usefixtures("still")
def test_from_one_address_only_so_many_are_taken(mailing: Mailing, reachable: User, settings: Any):
    settings.RATES = settings.RATES | {"sign_ins": 2}
    assert [ask(f"a{n}@example.org").status_code for n in range(3)] == [200, 200, 429]


def test_people_without_a_password_here_are_told_so(mailing: Mailing, reachable: User):
    reachable.set_unusable_password()
    reachable.save()
    User.objects.create_user("solveig", email="ingrid@example.org", source="oidc", password=NEW)
    User.objects.create_user("gone", email="ingrid@example.org", is_active=False)
    ask()
    mailing.round()
    bodies = [str(letter.body) for letter in mail.outbox]
    assert len(bodies) == 2
    assert "This account has no password. Ask an administrator" in bodies[0]
    assert "it signs in elsewhere (by OpenID Connect)" in bodies[1]
    assert "/accounts/reset/" not in "".join(bodies)


def test_what_the_mail_server_does_not_take_is_tried_again(
    mailing: Mailing, reachable: User, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*args: Any) -> int:
        raise ConnectionRefusedError

    ask()
    with monkeypatch.context() as down:
        down.setattr(EmailBackend, "send_messages", refuse)
        mailing.round()
    asked = ResetAsked.objects.get()
    assert asked.due_at is not None
    assert asked.due_at > timezone.now()
    ResetAsked.objects.update(due_at=timezone.now())
    mailing.round()
    assert len(mail.outbox) == 1


def test_what_was_typed_is_not_kept_for_long(mailing: Mailing, db: None):
    ask("first@example.org")
    ResetAsked.objects.update(at=timezone.now() - resets.KEPT)
    ask("second@example.org")
    assert [asked.email for asked in ResetAsked.objects.all()] == ["second@example.org"]
