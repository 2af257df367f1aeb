"""Sign-in by a directory, with a real one: OpenLDAP's server."""

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from cardocr_site import directory as by_ldap
from cardocr_site import signon
from cardocr_site.accounts import tries
from cardocr_site.accounts.models import AuditEntry, SignInTries, User
from cardocr_site.doctor import signing_in
from tests.conftest import ApiClient
from tests.servers import slapd
from tests.servers.slapd import GROUPS, INGRID, PEOPLE, READER, READER_PASSWORD, Directory
from tests.site.processes import ROOT, environment, free_port

pytestmark = [pytest.mark.servers, pytest.mark.django_db]

Told = Callable[..., None]
AWAY = "The directory does not answer."
WRONG = "That name and password do not go together."
INGRID_DN = f"uid=ingrid,{PEOPLE}"


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Directory]:
    with slapd.running(tmp_path_factory.mktemp("ldap")) as running:
        yield running


@pytest.fixture
def directory(running: Directory) -> Directory:
    running.reset()
    return running


@pytest.fixture
def given(directory: Directory) -> by_ldap.Given:
    return by_ldap.Given(
        url=directory.plain,
        start_tls=False,
        timeout=1,
        bind_dn=READER,
        bind_password=READER_PASSWORD,
        user_base=PEOPLE,
        group_base=GROUPS,
    )


@pytest.fixture
def told(settings: Any, given: by_ldap.Given) -> Told:
    """Change what the settings say of it."""
    backends = list(settings.AUTHENTICATION_BACKENDS)

    def told(**changes: Any) -> None:
        settings.LDAP = replace(given, **changes)
        settings.AUTHENTICATION_BACKENDS = [*backends, by_ldap.BACKEND]
        for name in ("USER_SEARCH", "USER_DN_TEMPLATE", "GROUP_SEARCH", "GROUP_TYPE"):
            setattr(settings, f"AUTH_LDAP_{name}", None)
        for name, value in by_ldap.settings_of(settings.LDAP).items():
            setattr(settings, name, value)

    return told


@pytest.fixture(autouse=True)
def _set(told: Told, settings: Any) -> None:
    settings.GROUP_ROLES = signon.group_roles("cataloguers=operator;library=viewer")
    told()


def sign_in(client: Client, name: str = "ingrid", password: str = INGRID) -> Any:
    return client.post("/accounts/login/", {"username": name, "password": password})


def signed_in(client: Client) -> str | None:
    key = client.session.get("_auth_user_id")
    return User.objects.get(pk=key).username if key else None


def refused(client: Client, sentence: str, name: str = "ingrid", password: str = INGRID) -> None:
    response = sign_in(client, name, password)
    assert (response.status_code, signed_in(client)) == (422, None)
    assert sentence in response.text


def test_the_first_sign_in_makes_the_account(client: Client) -> None:
    assert sign_in(client).headers["Location"] == "/batches/"
    made = User.objects.get()
    assert (made.username, made.source, made.role, made.has_usable_password()) == ("ingrid", "ldap", "operator", False)
    assert (made.first_name, made.last_name, made.email) == ("Ingrid", "Solberg", "ingrid@example.org")
    assert set(made.groups.values_list("name", flat=True)) == {"cataloguers", "library"}
    assert signed_in(client) == "ingrid"
    entry = AuditEntry.objects.get(act="sign_in")
    assert (entry.actor, entry.details) == (made.pk, {"by": "ldap"})
    assert client.get("/batches/").status_code == 200


def test_without_a_group_nothing_is_seen(client: Client, settings: Any) -> None:
    settings.GROUP_ROLES = {}
    sign_in(client)
    assert (User.objects.get().role, User.objects.get().groups.count()) == ("", 0)


def test_programs_sign_in_likewise(client: Client) -> None:
    api = ApiClient(client)
    token = api("post", "/auth/login", {"username": "ingrid", "password": INGRID}).data["token"]
    assert client.get("/api/v1/batches", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert AuditEntry.objects.get(act="sign_in").details == {"by": "ldap"}
    api.refused("AUTH_INVALID", "post", "/auth/login", {"username": "ingrid", "password": "another"})


def test_so_do_administrators(client: Client, settings: Any) -> None:
    settings.GROUP_ROLES = signon.group_roles("cataloguers=administrator")
    door = client.get("/admin/login/").headers["Location"]
    response = client.post(door, {"username": "ingrid", "password": INGRID, "next": "/admin/"})
    assert response.headers["Location"] == "/admin/"
    assert client.get("/admin/accounts/user/").status_code == 200


def test_tokens_for_scripts_are_made_without_a_password(client: Client) -> None:
    sign_in(client)
    made = ApiClient(client)("post", "/tokens", {"name": "Nightly"})
    script = Client(headers={"Authorization": f"Bearer {made.data['token']}"})
    assert script.get("/api/v1/batches").status_code == 200
    assert client.get("/accounts/password/").status_code == 403


@pytest.mark.parametrize("typed", ["INGRID", "Ingrid", " ingrid "])
def test_one_person_has_one_account_however_the_name_is_typed(client: Client, typed: str) -> None:
    sign_in(client)
    client.logout()
    sign_in(client, typed)
    assert (User.objects.get().username, signed_in(client)) == ("ingrid", "ingrid")


def test_another_attribute_may_be_typed(client: Client, told: Told) -> None:
    told(user_filter="(|(uid=%(user)s)(mail=%(user)s))")
    sign_in(client, "ingrid@example.org")
    assert signed_in(client) == "ingrid"


def test_without_a_search_people_are_where_the_pattern_says(client: Client, told: Told) -> None:
    told(user_base="", user_dn=f"uid=%(user)s,{PEOPLE}", bind_dn="", bind_password="")
    refused(client, WRONG, password="another")
    sign_in(client)
    assert (User.objects.get().role, User.objects.get().first_name) == ("operator", "Ingrid")
    refused(Client(), WRONG, name="nobody")


@pytest.mark.parametrize(
    ("kind", "group"), [("groupOfUniqueNames", "choir"), ("posixGroup", "drawers"), ("posixgroup", "drawers")]
)
def test_groups_of_other_kinds(client: Client, told: Told, settings: Any, kind: str, group: str) -> None:
    settings.GROUP_ROLES = signon.group_roles(f"{group}=reviewer;cataloguers=operator")
    told(group_type=kind)
    sign_in(client)
    assert User.objects.get().role == "reviewer"


def test_without_a_place_for_groups_nothing_is_said_of_them(client: Client, told: Told) -> None:
    told(group_base="")
    sign_in(client)
    User.objects.update(role="reviewer")
    sign_in(client)
    assert User.objects.get().role == "reviewer"


def test_who_leaves_the_groups_loses_what_they_brought(client: Client, directory: Directory) -> None:
    sign_in(client)
    directory.remove(f"cn=cataloguers,{GROUPS}")
    sign_in(client)
    assert User.objects.get().role == "viewer"
    directory.remove(f"cn=library,{GROUPS}")
    sign_in(client)
    assert (User.objects.get().role, User.objects.get().groups.count()) == ("", 0)


def test_who_leaves_the_directory_loses_it_too(client: Client, directory: Directory) -> None:
    sign_in(client)
    client.logout()
    refused(client, WRONG, password="another")
    assert User.objects.get().role == "operator"
    directory.remove(INGRID_DN)
    refused(client, WRONG)
    assert (User.objects.get().role, User.objects.get().groups.count()) == ("", 0)


def test_a_local_account_of_that_name_is_never_taken_over(client: Client, user: User) -> None:
    refused(client, "There is an account “ingrid” here already that signs in another way.")
    api = ApiClient(client)
    api.refused("AUTH_INVALID", "post", "/auth/login", {"username": "ingrid", "password": INGRID})
    user.refresh_from_db()
    assert (user.source, user.groups.count()) == ("", 0)
    assert AuditEntry.objects.filter(act="sign_in", outcome="refused", object_name="ingrid").count() == 2
    assert sign_in(client, password="curator-of-cards").status_code == 302


def test_an_administrator_may_hand_it_over(client: Client, user: User) -> None:
    User.objects.update(source=User.Source.LDAP)
    refused(client, WRONG, password="curator-of-cards")
    assert sign_in(client).status_code == 302


def test_whoever_is_deactivated_stays_out(client: Client) -> None:
    sign_in(client)
    User.objects.update(is_active=False)
    assert client.get("/batches/").status_code == 302
    client.logout()
    refused(client, "has been deactivated")


@pytest.mark.parametrize("password", ["", "\x00", "\x00x"])
def test_nothing_is_asked_without_a_password(client: Client, password: str) -> None:
    """The server would say yes to an empty one."""
    credentials = {"username": "ingrid", "password": password}
    assert authenticate(None, **credentials) is None
    ApiClient(client).refused("AUTH_INVALID", "post", "/auth/login", credentials)
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["*", "ingri*", "ingrid)(uid=*", "\\69ngrid", "ingrid+cn=ingrid"])
@pytest.mark.parametrize("by_pattern", [False, True])
def test_a_name_is_nothing_but_a_name(
    client: Client, told: Told, name: str, by_pattern: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_pattern:
        told(user_base="", user_dn=f"uid=%(user)s,{PEOPLE}")
    refused(client, WRONG, name)
    monkeypatch.setattr("cardocr_site.accounts.directory._may_be_asked", lambda name, password: True)
    refused(client, WRONG, name)  # nor would the library let it be more
    assert not User.objects.exists()


@pytest.mark.parametrize("name", ["\N{FULLWIDTH LATIN SMALL LETTER I}ngrid", "ing\u00adrid"])
def test_no_spelling_has_tries_of_its_own(client: Client, name: str) -> None:
    """The directory would take them for the same name."""
    assert authenticate(None, username=name, password=INGRID) is None
    ApiClient(client).refused("AUTH_INVALID", "post", "/auth/login", {"username": name, "password": INGRID})


def test_five_failures_close_the_name(client: Client, directory: Directory) -> None:
    for _n in range(tries.FREE):
        refused(client, WRONG, password="another") if _n < tries.FREE - 1 else sign_in(client, password="another")
    refused(client, "Too many tries with this name.")
    ApiClient(client).refused("RATE_LIMIT_EXCEEDED", "post", "/auth/login", {"username": "ingrid", "password": INGRID})


def test_a_sign_in_that_goes_well_opens_it_again(client: Client) -> None:
    for _n in range(tries.FREE - 1):
        refused(client, WRONG, password="another")
    sign_in(client)
    assert not SignInTries.objects.exists()


# -- a directory that is away


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where somebody listens and never says a word."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(5)
        yield deaf.getsockname()[1]


def test_local_accounts_sign_in_while_it_is_away(client: Client, told: Told, administrator: User, silent: int) -> None:
    told(url=f"ldap://127.0.0.1:{silent}", timeout=30)
    begun = time.monotonic()
    assert sign_in(client, "admin", "administrator-of-cards").status_code == 302
    assert time.monotonic() - begun < 5
    assert signed_in(client) == "admin"


@pytest.mark.parametrize("tls", [{"start_tls": False}, {"start_tls": True}, {"url": "ldaps"}], ids=str)
def test_it_is_waited_for_no_longer_than_said(client: Client, told: Told, silent: int, tls: dict[str, Any]) -> None:
    told(**tls | {"url": f"{tls.get('url', 'ldap')}://127.0.0.1:{silent}", "timeout": 0.3})
    begun = time.monotonic()
    refused(client, AWAY)
    assert time.monotonic() - begun < 5


def test_nobody_pays_with_tries_for_it(client: Client, told: Told, user: User) -> None:
    told(url=f"ldap://127.0.0.1:{free_port()}")
    for _n in range(tries.FREE + 1):
        refused(client, AWAY, "magnus")
    details = {"username": "magnus", "password": "another"}
    ApiClient(client).refused("NOT_READY", "post", "/auth/login", details)
    told()
    assert sign_in(client, "magnus", "magnus’s own password").status_code == 302


def test_a_local_account_is_not_tried_without_end_meanwhile(client: Client, told: Told, user: User) -> None:
    told(url=f"ldap://127.0.0.1:{free_port()}")
    for _n in range(tries.FREE):
        sign_in(client, password="another")
    refused(client, "Too many tries with this name.", password="curator-of-cards")


def test_who_is_in_stays_in_while_it_is_away(client: Client, told: Told) -> None:
    sign_in(client)
    told(url=f"ldap://127.0.0.1:{free_port()}")
    assert client.get("/batches/").status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"bind_password": "another-password"},
        {"bind_dn": "", "bind_password": ""},
        {"user_base": "ou=nowhere,dc=example,dc=org"},
        {"group_base": "ou=nowhere,dc=example,dc=org"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_is_set_wrong_is_no_wrong_password(
    client: Client, told: Told, wrong: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    told(**wrong)
    refused(client, AWAY)
    assert "The directory gave no answer: " in caplog.text
    assert not User.objects.filter(role="operator").exists()


# -- what the doctor says of it


def told_of_it() -> list[tuple[str, str]]:
    return [(told.state, told.meaning) for told in signing_in.directory()]


@pytest.mark.parametrize(
    "changes", [{}, {"user_base": "", "user_dn": "uid=%(user)s", "bind_dn": "", "bind_password": ""}]
)
def test_the_doctor_has_looked(told: Told, changes: dict[str, str]) -> None:
    told(**changes)
    assert told_of_it() == [("ok", "It answers, and shows where people and groups are.")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bind_password": "another-password"}, "INVALID_CREDENTIALS"),
        ({"group_base": "ou=nowhere,dc=example,dc=org"}, "NO_SUCH_OBJECT"),
        ({"start_tls": True}, "CONNECT_ERROR"),
        ({"url": "ldap://127.0.0.1:1"}, "SERVER_DOWN"),
    ],
    ids=lambda wrong: str(wrong)[:24],
)
def test_the_doctor_says_what_is_wrong(told: Told, wrong: dict[str, Any], said: str) -> None:
    told(**wrong)
    ((state, meaning),) = told_of_it()
    assert state == "failed"
    assert said in meaning
    assert "another-password" not in meaning


def test_without_a_directory_the_doctor_says_nothing_of_it(settings: Any) -> None:
    settings.LDAP = by_ldap.Given()
    assert told_of_it() == []


# -- on the way there


@pytest.mark.parametrize("start_tls", [True, False], ids=["StartTLS", "ldaps"])
def test_the_certificate_is_looked_at(client: Client, told: Told, directory: Directory, start_tls: bool) -> None:
    url = directory.plain if start_tls else directory.secure
    told(url=url, start_tls=start_tls)
    refused(client, AWAY)
    told(url=url, start_tls=start_tls, ca_bundle=str(directory.ca))
    assert sign_in(client).status_code == 302


def test_nor_for_another_name(client: Client, told: Told, directory: Directory) -> None:
    told(url=directory.secure.replace("127.0.0.1", "localhost"), ca_bundle=str(directory.ca))
    refused(client, AWAY)


def test_no_log_knows_a_password_or_what_was_typed(
    client: Client, told: Told, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    sign_in(client)
    client.logout()
    refused(client, WRONG, password="another-password")
    refused(client, WRONG, "a-password-typed-as-name")
    told(url=f"ldap://127.0.0.1:{free_port()}")
    refused(client, AWAY, "a-password-typed-as-name")
    logged = caplog.text + "".join(capfd.readouterr()) + repr(by_ldap.Given(bind_password=READER_PASSWORD))
    for secret in (INGRID, "another-password", READER_PASSWORD, "a-password-typed-as-name"):
        assert secret not in logged
    assert not AuditEntry.objects.filter(object_name__contains="typed").exists()


# -- the settings


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"user_filter": "(uid=ingrid)"}, "write %(user)s where the name goes"),
        ({"user_filter": "(uid=%(user)s)(cn=50%)"}, "write %(user)s where the name goes"),
        ({"user_filter": "uid=%(user)s"}, "must stand in brackets"),
        ({"user_base": "", "user_dn": "uid=ingrid,ou=people"}, "write %(user)s where the name goes"),
        ({"group_type": "circle"}, "say groupOfNames, groupOfUniqueNames, posixGroup, activeDirectory"),
    ],
)
def test_what_cannot_be_meant_is_refused(told: Told, changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ImproperlyConfigured) as error:
        told(**changes)
    assert sentence in str(error.value)


def test_the_environment_is_enough(directory: Directory, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(f"{READER_PASSWORD}\n")
    (packages,) = (ROOT / ".servers/ldap/lib").glob("python*/site-packages")
    code = (
        "import django; django.setup()\n"
        "from django.conf import settings; from django.contrib.auth import get_backends\n"
        "print([type(backend).__name__ for backend in get_backends()][-1], settings.LDAP.bind_password, settings.LDAP)"
    )
    variables = environment(
        tmp_path / "data",
        DJANGO_SETTINGS_MODULE="cardocr_site.settings",
        PYTHONPATH=str(packages),
        CARDOCR_LDAP_URL=directory.plain,
        CARDOCR_LDAP_CA_BUNDLE=str(directory.ca),
        CARDOCR_LDAP_TIMEOUT="3",
        CARDOCR_LDAP_BIND_DN=READER,
        CARDOCR_LDAP_BIND_PASSWORD_FILE=str(secret),
        CARDOCR_LDAP_USER_BASE=PEOPLE,
        CARDOCR_LDAP_USER_FILTER="(mail=%(user)s)",
        CARDOCR_LDAP_NAME_ATTRIBUTE="cn",
        CARDOCR_LDAP_GROUP_BASE=GROUPS,
        CARDOCR_LDAP_GROUP_TYPE="posixGroup",
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=True
    )
    read = by_ldap.Given(
        url=directory.plain,
        ca_bundle=str(directory.ca),
        timeout=3.0,
        bind_dn=READER,
        bind_password=READER_PASSWORD,
        user_base=PEOPLE,
        user_filter="(mail=%(user)s)",
        name_attribute="cn",
        group_base=GROUPS,
        group_type="posixGroup",
    )
    assert answer.stdout.strip() == f"DirectoryBackend {READER_PASSWORD} {read}"
