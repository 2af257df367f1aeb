"""What DATABASE_URL says, and which PostgreSQL is refused."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from cardocr_site import databases

needs_driver = pytest.mark.skipif(not importlib.util.find_spec("psycopg"), reason="the extra is not installed")


def entry(url: str) -> dict[str, Any]:
    return databases.settings_of(url, Path("/data"), 16)


def test_without_an_address_the_database_is_embedded():
    for url in ("", "sqlite"):
        assert entry(url)["ENGINE"] == "django.db.backends.sqlite3"
        assert entry(url)["NAME"] == Path("/data/cardocr.sqlite3")


@needs_driver
def test_an_address_is_taken_apart():
    told = entry(
        "postgresql://cards:p%40ss%2Fword@db.example.org:5433/card%20s?sslmode=verify-full&sslrootcert=/etc/ca.pem"
    )
    assert told["ENGINE"] == "django.db.backends.postgresql"
    assert [told[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
        "card s",
        "cards",
        "p@ss/word",
        "db.example.org",
        5433,
    ]
    assert (told["OPTIONS"]["sslmode"], told["OPTIONS"]["sslrootcert"]) == ("verify-full", "/etc/ca.pem")
    assert told["CONN_HEALTH_CHECKS"]
    assert told["OPTIONS"]["pool"]["max_size"] > 16, "each reading thread has a connection"


@needs_driver
def test_a_socket_is_an_address_too():
    told = entry("postgres:///cardocr?host=/run/postgresql&connect_timeout=3")
    assert (told["HOST"], told["PORT"], told["OPTIONS"]["connect_timeout"]) == ("/run/postgresql", "", "3")
    assert "host" not in told["OPTIONS"]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mysql://user:canary@db.example.org/cards", "must be like postgres://"),
        ("postgres://user:canary@db.example.org", "must be like postgres://"),
        ("db.example.org", "must be like postgres://"),
        ("postgres://user:canary@db.example.org:port/cards", "cannot be read"),
        ("postgres://user:canary@db.example.org/cards?sslmode", "cannot be read"),
        ("postgres://user:canary@db.example.org/cards?pool=false", "not known: pool"),
        ("postgres://user:canary@db.example.org/cards?password=canary", "not known: password"),
    ],
)
def test_an_address_that_means_nothing_is_refused_without_its_password(url: str, sentence: str):
    with pytest.raises(ImproperlyConfigured, match=sentence) as raised:
        entry(url)
    assert "canary" not in str(raised.value)


def test_without_the_driver_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"-r requirements-postgres\.lock"):
        entry("postgres://user@db.example.org/cards")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (("LATIN1", "C", True, True), "encoding LATIN1"),
        (("UTF8", "de_DE.UTF-8", True, True), "LOCALE 'C.UTF-8'"),
        (("UTF8", "C.UTF-8", False, True), "without ICU"),
        (("UTF8", "C.UTF-8", True, False), "has no pg_trgm"),
    ],
)
def test_a_server_that_would_sort_or_search_otherwise_is_refused(told: tuple[Any, ...], sentence: str):
    databases.refuse("UTF8", "C.UTF-8", True, True)
    with pytest.raises(databases.Unfit, match=sentence):
        databases.refuse(*told)
