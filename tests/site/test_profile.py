"""What a person chooses for all pages, on each machine."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from batches.models import Batch
from batches.states import BatchStatus
from cardocr_site.accounts.models import User

PASSWORD = "curator-of-cards"
FILLED = {"first_name": "Ingrid", "last_name": "Solberg", "language": "en", "theme": "auto", "density": "normal"}


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def save(client: Client, **changed: Any) -> Any:
    return client.post("/accounts/profile/", {**FILLED, "single_keys": "on", **changed})


def page(client: Client) -> str:
    return client.get("/help/keys/").text


def test_the_profile_is_for_those_who_are_signed_in(client: Client, user: User):
    assert client.get("/accounts/profile/").headers["Location"] == "/accounts/login/?next=/accounts/profile/"
    assert client.post("/accounts/profile/theme/", {"theme": "dark"}).status_code == 302
    assert client.post("/accounts/profile/", FILLED).status_code == 302


def test_it_is_linked_from_the_menu_and_from_the_keys(signed_in: Client):
    assert 'class="menu__item" href="/accounts/profile/"' in page(signed_in)
    assert 'href="/accounts/profile/#keys"' in page(signed_in)


def test_a_name_is_what_others_see(signed_in: Client, user: User):
    assert save(signed_in, first_name="Inga", last_name="Berg").headers["Location"] == "/accounts/profile/"
    user.refresh_from_db()
    assert user.get_full_name() == "Inga Berg"
    assert "Your profile has been saved." in page(signed_in)


def test_another_account_is_not_touched(signed_in: Client, user: User, other_user: User):
    save(signed_in, first_name="Inga", id=str(other_user.pk), username="magnus", is_superuser="on")
    user.refresh_from_db()
    other_user.refresh_from_db()
    assert (user.username, user.is_superuser, other_user.first_name) == ("ingrid", False, "Magnus")


def test_what_was_refused_is_said_and_nothing_is_saved(signed_in: Client, user: User):
    answer = save(signed_in, first_name="Inga", theme="pink")
    assert answer.status_code == 422
    assert "This was not saved:" in answer.text
    assert 'aria-invalid="true" aria-describedby="id_theme_error"' in answer.text
    user.refresh_from_db()
    assert user.first_name == "Ingrid"
    assert "Account of Ingrid Solberg" in answer.text


def test_a_theme_and_compact_tables_are_on_every_page(signed_in: Client):
    assert '<html lang="en">' in page(signed_in)
    save(signed_in, theme="dark", density="compact")
    assert '<html lang="en" data-account-theme="dark" data-theme="dark" data-density="compact">' in page(signed_in)
    save(signed_in)
    assert '<html lang="en" data-account-theme="auto">' in page(signed_in)


def test_the_switch_of_the_menu_is_the_same_choice(signed_in: Client, user: User):
    assert signed_in.post("/accounts/profile/theme/", {"theme": "dark"}).status_code == 204
    assert '<option value="dark" selected>' in signed_in.get("/accounts/profile/").text
    assert signed_in.post("/accounts/profile/theme/", {"theme": "pink"}).status_code == 422
    user.refresh_from_db()
    assert user.theme == "dark"


def test_keys_of_a_single_character_are_switched_off_everywhere(signed_in: Client):
    assert "data-keys-off" not in page(signed_in)
    signed_in.post("/accounts/profile/", FILLED)  # its box is not ticked
    assert '<html lang="en" data-account-theme="auto" data-keys-off>' in page(signed_in)


def test_a_sound_is_loaded_for_those_alone_who_want_it(signed_in: Client, user: User, batch: Batch):
    Batch.objects.update(status=BatchStatus.COMPLETED)
    address = f"/batches/{batch.pk}/"
    assert "js/sound" not in signed_in.get(address).text
    save(signed_in, sound="on")
    assert "js/sound" in signed_in.get(address).text


def test_a_language_is_spoken_at_once_and_on_the_next_machine(signed_in: Client, user: User):
    assert 'lang="de"' in signed_in.post("/accounts/profile/", {**FILLED, "language": "de"}, follow=True).text
    elsewhere = Client()
    elsewhere.post("/accounts/login/", {"username": "ingrid", "password": PASSWORD})
    assert '<html lang="de"' in elsewhere.get("/batches/").text


def test_the_language_of_the_top_bar_is_the_same_choice(signed_in: Client, user: User):
    signed_in.post("/i18n/setlang/", {"language": "de"})
    user.refresh_from_db()
    assert user.language == "de"
    signed_in.post("/i18n/setlang/", {"language": "tlh"})
    user.refresh_from_db()
    assert user.language == "de"


def test_who_never_chose_a_language_keeps_the_browser_s(client: Client, user: User):
    client.post("/i18n/setlang/", {"language": "de"})
    client.post("/accounts/login/", {"username": "ingrid", "password": PASSWORD})
    assert client.cookies[settings.LANGUAGE_COOKIE_NAME].value == "de"
    assert '<option value="de" selected>' in client.get("/accounts/profile/").text


def test_mail_is_offered_where_a_server_is_set(signed_in: Client, user: User, settings: Any):
    assert 'name="mail"' not in signed_in.get("/accounts/profile/").text
    save(signed_in, mail="on", email="inga@example.org")
    user.refresh_from_db()
    assert (user.mail, user.email) == (False, "")
    settings.EMAIL_URL = "smtp://mail.example.org"
    assert 'name="mail"' in signed_in.get("/accounts/profile/").text
    refused = save(signed_in, mail="on")
    assert refused.status_code == 422
    assert "Say where the mail is to go." in refused.text
    assert save(signed_in, mail="on", email="no address").status_code == 422
    save(signed_in, mail="on", email="inga@example.org")
    user.refresh_from_db()
    assert (user.mail, user.email) == (True, "inga@example.org")


def test_the_address_of_those_who_sign_in_elsewhere_is_not_changed_here(signed_in: Client, user: User, settings: Any):
    settings.EMAIL_URL = "smtp://mail.example.org"
    User.objects.filter(pk=user.pk).update(source=User.Source.values[-1])
    assert save(signed_in, mail="on", email="inga@example.org").status_code == 422
    User.objects.filter(pk=user.pk).update(email="ingrid@example.org")
    save(signed_in, mail="on", email="inga@example.org")
    user.refresh_from_db()
    assert (user.mail, user.email) == (True, "ingrid@example.org")
