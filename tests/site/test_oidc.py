"""The whole way by OpenID Connect, with a provider of the tests' own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings as site
from django.test import Client

from cardocr_site import signon
from cardocr_site.accounts.models import AuditEntry, User
from tests import oidc_provider
from tests.conftest import ApiClient
from tests.oidc_provider import OTHER_KEY, Provider
from tests.site.test_settings import run

pytest.importorskip("allauth", reason="The extra oidc is not installed: make dev installs it.")

INGRID = {"sub": "1001", "preferred_username": "ingrid", "given_name": "Ingrid", "email": "ingrid@example.org"}


@pytest.fixture
def provider(settings: Any, db: None) -> Iterator[Provider]:
    with oidc_provider.running() as running:
        settings.SOCIALACCOUNT_PROVIDERS = signon.oidc(running.issuer, "cardocr", "of-the-tests", "the town’s door")
        yield running


def start(client: Client, target: str = "") -> str:
    response = client.get("/accounts/oidc/", {"next": target} if target else {})
    assert response.status_code == 302
    return response.headers["Location"]


def sign_in(client: Client, provider: Provider, target: str = "", **person: Any) -> Any:
    return client.get(provider.approve(start(client, target), **(INGRID | person)))


def signed_in(client: Client) -> str | None:
    key = client.session.get("_auth_user_id")
    return User.objects.get(pk=key).username if key else None


def refused(client: Client, response: Any, sentence: str) -> None:
    assert (response.status_code, response.headers["Location"]) == (302, "/accounts/login/")
    assert sentence in client.get("/accounts/login/").text
    assert signed_in(client) is None


def test_the_door_offers_it_and_leads_back_to_where_one_was(client: Client, provider: Provider) -> None:
    door = client.get("/accounts/login/?next=/templates/").text
    assert 'href="/accounts/oidc/?next=%2Ftemplates%2F">Sign in with the town’s door</a>' in door
    response = sign_in(client, provider, "/templates/")
    assert (response.status_code, response.headers["Location"]) == (302, "/templates/")
    made = User.objects.get()
    assert (made.username, made.source, made.role, made.first_name) == ("ingrid", "oidc", "", "Ingrid")
    assert (made.email, made.has_usable_password(), signed_in(client)) == ("ingrid@example.org", False, "ingrid")


def test_signing_in_again_is_the_same_person_whatever_the_name(client: Client, provider: Provider) -> None:
    sign_in(client, provider)
    client.logout()
    sign_in(client, provider, preferred_username="ingrid.berg")
    assert User.objects.get().username == signed_in(client) == "ingrid"


def test_groups_bring_role_and_groups(client: Client, provider: Provider, settings: Any) -> None:
    settings.GROUP_ROLES = signon.group_roles("cataloguers=operator;library")
    sign_in(client, provider, groups=["cataloguers", "library"])
    assert (User.objects.get().role, User.objects.get().groups.count()) == ("operator", 2)
    sign_in(client, provider)
    assert User.objects.get().role == "operator"  # nothing was said of groups
    sign_in(client, provider, groups=[])
    assert (User.objects.get().role, User.objects.get().groups.count()) == ("", 0)


def test_a_local_account_of_that_name_is_never_taken_over(client: Client, provider: Provider, user: User) -> None:
    refused(client, sign_in(client, provider), "There is an account “ingrid” here already that signs in another way.")
    assert User.objects.get() == user
    assert AuditEntry.objects.filter(act="sign_in", outcome="refused", object_name="ingrid").exists()


def test_a_second_person_of_the_same_name_is_refused(client: Client, provider: Provider) -> None:
    sign_in(client, provider)
    client.logout()
    refused(client, sign_in(client, provider, sub="2002"), "“ingrid” here belongs to another person of that name.")


def test_a_wrong_state_is_refused(client: Client, provider: Provider) -> None:
    back = provider.approve(start(client), **INGRID)
    state = parse_qs(urlsplit(back).query)["state"][0]
    refused(client, client.get(back.replace(state, "another")), "was not completed")
    stranger = Client()
    refused(stranger, stranger.get(back), "was not completed")
    assert not User.objects.exists()


def test_an_answer_is_taken_once(client: Client, provider: Provider) -> None:
    back = provider.approve(start(client), **INGRID)
    client.get(back)
    client.logout()
    refused(client, client.get(back), "was not completed")


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another program"},
        {"iss": "https://elsewhere.example.org"},
        {"exp": 1_700_000_000},
        {"sub": "2002"},
    ],
    ids=lambda wrong: f"{wrong}",
)
def test_a_token_that_says_otherwise_is_refused(client: Client, provider: Provider, wrong: dict[str, Any]) -> None:
    provider.wrong = wrong
    refused(client, sign_in(client, provider), "was not completed")
    assert not User.objects.exists()


def test_a_token_with_another_signature_is_refused(client: Client, provider: Provider) -> None:
    provider.key = OTHER_KEY
    refused(client, sign_in(client, provider), "was not completed")


def test_what_is_told_of_another_person_is_refused(client: Client, provider: Provider) -> None:
    provider.wrong_userinfo = {"sub": "2002", "preferred_username": "admin"}
    refused(client, sign_in(client, provider), "was not completed")


@pytest.mark.parametrize("error", ["access_denied", "server_error"])
def test_one_may_turn_round_there(client: Client, provider: Provider, error: str) -> None:
    state = parse_qs(urlsplit(start(client)).query)["state"][0]
    refused(client, client.get("/accounts/oidc/callback/", {"error": error, "state": state}), "was not completed")


def test_a_provider_that_is_away_is_told(client: Client, db: None) -> None:
    refused(client, client.get("/accounts/oidc/"), "does not answer")


def test_without_a_name_there_is_no_account(client: Client, provider: Provider) -> None:
    refused(client, sign_in(client, provider, preferred_username=""), "cannot be a user name here")


def test_whoever_is_deactivated_stays_out(client: Client, provider: Provider) -> None:
    sign_in(client, provider)
    User.objects.update(is_active=False)
    client.logout()
    refused(client, sign_in(client, provider), "has been deactivated")


@pytest.mark.parametrize("target", ["https://elsewhere.example.org/", "//elsewhere.example.org/"])
def test_nobody_is_led_elsewhere(client: Client, provider: Provider, target: str) -> None:
    assert sign_in(client, provider, target).headers["Location"] == "/batches/"


def test_what_a_link_adds_is_not_passed_on(client: Client, provider: Provider) -> None:
    asked = client.get("/accounts/oidc/?process=connect&scope=all&auth_params=prompt%3Dnone").headers["Location"]
    assert "prompt" not in asked
    assert "all" not in parse_qs(urlsplit(asked).query)["scope"][0].split()
    assert client.get(provider.approve(asked, **INGRID)).headers["Location"] == "/batches/"


def test_local_accounts_sign_in_beside_it(client: Client, provider: Provider, administrator: User) -> None:
    filled = {"username": "admin", "password": "administrator-of-cards"}
    assert client.post("/accounts/login/", filled).status_code == 302
    assert signed_in(client) == "admin"


def test_without_a_password_tokens_for_scripts_are_made_as_by_everybody(client: Client, provider: Provider) -> None:
    sign_in(client, provider)
    User.objects.update(role="operator")
    made = ApiClient(client)("post", "/tokens", {"name": "Nightly"})
    script = Client(headers={"Authorization": f"Bearer {made.data['token']}"})
    assert script.get("/api/v1/batches").status_code == 200


@pytest.mark.parametrize("page", ["", "signup/", "email/", "3rdparty/", "confirm-email/", "password/reset/", "oidc/x/"])
def test_no_page_of_allauth_is_mounted(client: Client, db: None, page: str) -> None:
    assert client.get(f"/accounts/{page}").status_code == 404


def test_its_tables_of_secrets_are_not_in_the_administration(client: Client, administrator: User) -> None:
    client.force_login(administrator)
    assert client.get("/admin/socialaccount/socialaccount/").status_code == 200
    for name in ("socialaccount/socialapp", "socialaccount/socialtoken", "account/emailaddress"):
        assert client.get(f"/admin/{name}/").status_code == 404


def test_the_whole_policy_holds_on_its_way(client: Client, provider: Provider) -> None:
    response = client.get("/accounts/oidc/")
    assert "form-action 'self'" in response.headers["Content-Security-Policy"]
    assert "no-store" in response.headers["Cache-Control"]


def test_without_its_address_nothing_of_it_is_there(tmp_path: Path) -> None:
    assert "allauth.account.middleware.AccountMiddleware" in site.MIDDLEWARE
    answer = run(tmp_path)
    assert answer.returncode == 0
    assert "allauth" not in answer.stderr


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"CARDOCR_OIDC_URL": "https://id.example.org"}, "set all three, or none"),
        ({"CARDOCR_OIDC_URL": "http://id.example.org"}, "must start with https://"),
    ],
)
def test_half_of_it_does_not_start(tmp_path: Path, given: dict[str, str], sentence: str) -> None:
    more = {"CARDOCR_OIDC_CLIENT_ID": "a", "CARDOCR_OIDC_CLIENT_SECRET": "b"} if "http://" in str(given) else {}
    answer = run(tmp_path, **given, **more)
    assert answer.returncode != 0
    assert sentence in answer.stderr
