"""A database that does not answer: pages and programs are told so, and a page tries again by itself."""

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection
from django.template.loader import render_to_string
from django.test import Client
from django.utils import translation

pytestmark = pytest.mark.django_db


@pytest.fixture
def gone(user, api) -> Iterator[None]:
    """From now on."""

    def refuse(*statement: object) -> None:
        raise OperationalError("server closed the connection unexpectedly at db.example.org")

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.parametrize("path", ["/", "/accounts/profile/", "/admin/"])
def test_a_page_says_so_and_tries_again(client: Client, user, path, request):
    client.force_login(user)
    request.getfixturevalue("gone")
    client.raise_request_exception = False
    answer = client.get(path)
    assert answer.status_code == 503
    assert answer.headers["Refresh"] == answer.headers["Retry-After"] == "10"
    assert "The database does not answer" in answer.text
    assert "by itself" in answer.text
    assert "db.example.org" not in answer.text


def test_what_was_sent_is_not_asked_for_again(client: Client, user, request):
    client.force_login(user)
    request.getfixturevalue("gone")
    client.raise_request_exception = False
    answer = client.post("/accounts/login/", {"username": "x", "password": "y"})
    assert (answer.status_code, "Refresh" in answer.headers) == (503, False)
    assert "by itself" not in answer.text


def test_a_program_is_told_by_its_code(api, gone):
    assert api.refused("NOT_READY", "get", "/batches") == {}, "why is for the log"


def test_health_asks_the_database_once(client: Client, gone, caplog):
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["error"]["details"]["consumer"] == "failed"
    assert [record.args for record in caplog.records if record.msg == "Not ready: %s"].count(("consumer",)) == 0


@pytest.mark.parametrize("name", ["500.html", "503_database.html"])
def test_a_page_without_a_request_says_in_which_language_it_is(name: str):
    with translation.override("de"):
        assert '<html lang="de">' in render_to_string(name)
