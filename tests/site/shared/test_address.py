"""What follows from REDIS_URL, and what is refused of it."""

import importlib.util
import re
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from cardocr_site.shared import address

HUEY = {
    "huey_class": "huey.SqliteHuey",
    "filename": "queue",
    "fsync": True,
    "results": False,
    "consumer": {"workers": 2},
}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis.example.org:6379", "must be like redis://"),
        ("http://user:canary@redis.example.org", "must be like redis://"),
        ("redis://:canary@", "must be like redis://"),
        ("redis://:canary@redis.example.org/cards", "must be a number"),
        ("redis://:canary@redis.example.org:port", "its port must be a number"),
        ("redis://:canary#1@redis.example.org", "its port must be a number"),
        ("rediss://:canary@redis.example.org?db=canary&ssl=1", "not known: db, ssl"),
        ("redis://:canary@redis.example.org?ssl_ca_certs=/x", "are for rediss://"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str, sentence: str):
    with pytest.raises(ImproperlyConfigured, match=re.escape(sentence)) as raised:
        address.settings_of(url, "secret", HUEY, {})
    assert "canary" not in str(raised.value)


def test_without_its_packages_it_is_said_how_to_get_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"requirements-redis\.lock"):
        address.settings_of("redis://localhost", "secret", HUEY, {})


def test_a_password_is_unescaped_and_tls_checks_whom_it_talks_to():
    pytest.importorskip("channels_redis")
    from cardocr_site.shared.doorbell import Doorbell

    pool = Doorbell("cardocr", url="rediss://cards:p%40ss%2Cword@redis.example.org/3").storage.pool
    connection = pool.make_connection()
    assert (connection.host, connection.port, connection.db) == ("redis.example.org", 6379, 3)
    assert (connection.username, connection.password) == ("cards", "p@ss,word")
    assert connection.cert_reqs.name == "CERT_REQUIRED"
    assert connection.check_hostname is True


def test_tasks_are_signed_and_huey_keeps_what_it_was_told():
    pytest.importorskip("channels_redis")
    made: dict[str, Any] = address.settings_of("redis://localhost", "secret", HUEY, {})["HUEY"]
    assert (made["results"], made["consumer"], made["name"]) == (False, {"workers": 2}, "cardocr")
    assert "filename" not in made
    written = made["serializer"].serialize(("drain", 7))
    assert made["serializer"].deserialize(written) == ("drain", 7)
    others = address.settings_of("redis://localhost", "another", HUEY, {})["HUEY"]["serializer"]
    with pytest.raises(ValueError, match="mismatch"):
        others.deserialize(written)


def test_a_listener_may_be_silent_for_longer_than_the_client_would_wait_by_itself():
    assert address.LISTENING["socket_timeout"] == 30
