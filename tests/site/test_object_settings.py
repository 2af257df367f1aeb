"""What CARDOCR_FILES_URL and the settings beside it mean, and what of them is refused."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from cardocr_site import objects
from cardocr_site.objects import Given

SECRET = "a-secret-that-nobody-may-read"


def options(**changes: Any) -> dict[str, Any]:
    entry = objects.storage(Given(**({"url": "s3://cards/museum/1"} | changes)))
    assert entry["BACKEND"] == "storages.backends.s3.S3Storage"
    return dict(entry["OPTIONS"])


def test_one_address_says_bucket_and_prefix():
    assert {name: options()[name] for name in ("bucket_name", "location")} == {
        "bucket_name": "cards",
        "location": "museum/1",
    }
    assert options(url="s3://cards")["location"] == ""
    assert options(url="s3://cards/")["location"] == ""


def test_without_a_key_the_machines_own_role_is_asked():
    assert (options()["access_key"], options()["endpoint_url"], options()["addressing_style"]) == (None, None, "auto")


def test_encryption_and_addresses_by_path_are_asked_for():
    made = options(encryption="aws:kms", path_style=True, endpoint="https://s3.example.org:9000")
    assert made["object_parameters"] == {"ServerSideEncryption": "aws:kms"}
    assert (made["addressing_style"], made["endpoint_url"]) == ("path", "https://s3.example.org:9000")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "https://cards.example.org"}, "must be like s3://bucket"),
        ({"url": f"s3://key:{SECRET}@cards"}, "must be like s3://bucket"),
        ({"url": "s3://Cards"}, "no name of a bucket"),
        ({"url": "s3://cards/../other"}, "the prefix is made of"),
        ({"endpoint": "s3.example.org"}, "CARDOCR_FILES_ENDPOINT"),
        ({"endpoint": f"https://key:{SECRET}@s3.example.org"}, "CARDOCR_FILES_ENDPOINT"),
        ({"key_id": "cardocr"}, "belong together"),
        ({"secret": SECRET}, "belong together"),
        ({"encryption": "rot13"}, "AES256 or aws:kms"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(changes: dict[str, Any], said: str):
    with pytest.raises(ImproperlyConfigured, match=said) as caught:
        options(**changes)
    assert SECRET not in str(caught.value)


def test_a_client_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(objects.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"requirements-s3\.lock"):
        options()
