"""Sign-in by LDAP that is half set, or not installed, does not start. A real directory: tests/servers/test_ldap.py."""

import importlib.util
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from cardocr_site import directory
from tests.site.test_settings import run

WHOLE = {"url": "ldaps://directory.example.org", "user_base": "ou=people,dc=example,dc=org"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"url": ""}, "CARDOCR_LDAP_URL is not"),
        ({"url": "directory.example.org"}, "must be like ldaps://"),
        ({"url": "http://directory.example.org"}, "must be like ldaps://"),
        ({"url": "ldap://directory.example.org", "start_tls": False}, "for everybody to read"),
        ({"url": "ldaps://one.example.org, ldap://two.example.org"}, "begin all addresses with"),
        ({"bind_dn": "cn=reader"}, "belong together"),
        ({"bind_password": "canary-of-the-tests"}, "belong together"),
        ({"user_base": ""}, "one of the two"),
        ({"user_dn": "uid=%(user)s"}, "one of the two"),
        ({"user_base": "", "user_dn": "uid=%(user)s", "user_filter": "(uid=%(user)s)"}, "is for a search"),
        ({"group_type": "posixGroup"}, "CARDOCR_LDAP_GROUP_BASE is not"),
        ({"ca_bundle": "/nowhere/at-all.pem"}, "not a file that can be read"),
        ({"timeout": 0}, "say how many seconds"),
        ({"timeout": 600}, "say how many seconds"),
        ({"name_attribute": "uid)(cn"}, "not the name of an attribute"),
    ],
)
def test_half_of_it_is_refused(changes: dict[str, str], sentence: str) -> None:
    given = directory.Given(**(WHOLE | changes))  # type: ignore[arg-type]
    with pytest.raises(ImproperlyConfigured) as error:
        directory.settings_of(given)
    assert sentence in str(error.value)
    assert "canary" not in f"{error.value} {given!r}"


def test_one_of_it_alone_is_noticed(tmp_path: Path) -> None:
    assert not directory.Given()
    answer = run(tmp_path, CARDOCR_LDAP_GROUP_BASE="ou=groups,dc=example,dc=org")
    assert answer.returncode != 0
    assert "CARDOCR_LDAP_URL is not" in answer.stderr


@pytest.mark.skipif(bool(importlib.util.find_spec("ldap")), reason="The extra ldap is installed here.")
def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    answer = run(tmp_path, **{f"CARDOCR_LDAP_{name.upper()}": value for name, value in WHOLE.items()})
    assert answer.returncode != 0
    assert "CARDOCR_LDAP_URL is set, but what it needs is not installed: " in answer.stderr
    assert "requirements-ldap.lock" in answer.stderr
