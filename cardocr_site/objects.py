"""What follows from CARDOCR_FILES_URL: where scans lie, if not in the data folder."""

import importlib.util
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
PREFIX = re.compile(r"(?:[A-Za-z0-9._-]+/)*[A-Za-z0-9._-]+")
ENCRYPTIONS = ("", "AES256", "aws:kms")


@dataclass(frozen=True)
class Given:
    url: str
    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    secret: str = ""
    path_style: bool = False
    encryption: str = ""


def storage(given: Given) -> dict[str, Any]:
    """The entry of STORAGES. What is wrong is said without the secret."""
    bucket, prefix = _place(given.url)
    if given.endpoint:
        _refuse_endpoint(given.endpoint)
    if bool(given.key_id) != bool(given.secret):
        raise ImproperlyConfigured(
            "CARDOCR_FILES_KEY_ID and CARDOCR_FILES_SECRET belong together: set both, or neither where this machine "
            "has a role of its own."
        )
    if given.encryption not in ENCRYPTIONS:
        raise ImproperlyConfigured("CARDOCR_FILES_ENCRYPTION must be AES256 or aws:kms, or left out.")
    if not (importlib.util.find_spec("storages") and importlib.util.find_spec("boto3")):
        raise ImproperlyConfigured(
            "CARDOCR_FILES_URL names an object storage, but its client is not installed: "
            "pip install --require-hashes -r requirements-s3.lock"
        )
    options = {
        "bucket_name": bucket,
        "location": prefix,
        "endpoint_url": given.endpoint or None,
        "region_name": given.region or None,
        "access_key": given.key_id or None,
        "secret_key": given.secret or None,
        "addressing_style": "path" if given.path_style else "auto",
        "object_parameters": {"ServerSideEncryption": given.encryption} if given.encryption else {},
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}


def _place(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    bucket, prefix = parts.netloc, parts.path.strip("/")
    if parts.scheme != "s3" or "@" in bucket or parts.query or parts.fragment:
        raise ImproperlyConfigured("CARDOCR_FILES_URL must be like s3://bucket or s3://bucket/prefix, without a key.")
    if not BUCKET.fullmatch(bucket):
        raise ImproperlyConfigured(f"CARDOCR_FILES_URL: “{bucket}” is no name of a bucket.")
    if prefix and (not PREFIX.fullmatch(prefix) or {".", ".."} & {*prefix.split("/")}):
        raise ImproperlyConfigured(
            "CARDOCR_FILES_URL: the prefix is made of letters, digits, dots, dashes and slashes."
        )
    return bucket, prefix


def _refuse_endpoint(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise ImproperlyConfigured("CARDOCR_FILES_ENDPOINT must be like https://s3.example.org:9000, without a key.")
