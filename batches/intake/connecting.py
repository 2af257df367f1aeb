"""The client of the object storage, as the settings have it: one for a process, made by django-storages."""

import functools
from pathlib import Path
from typing import Any

from botocore.config import Config
from django.conf import settings
from storages.backends.s3 import S3Storage

from batches.intake.cache import Cache
from batches.intake.objects import Objects

# Checks in trailers are what other storages than Amazon's often do not know; what is sent has its MD5 with it.
_WHEN = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
PATIENT = {"connect_timeout": 5, "read_timeout": 20, "retries": {"mode": "standard", "total_max_attempts": 3}}
# While rows are locked: others wait for them 20 seconds at most.
QUICK = {"connect_timeout": 3, "read_timeout": 12, "retries": {"mode": "standard", "total_max_attempts": 1}}


@functools.cache
def objects(url: str, root: Path, parts: Path) -> Objects:
    """Of what the settings say; `url` is a part of that, for whoever changes it."""
    scans: dict[str, Any] = settings.STORAGES["scans"]
    options = scans["OPTIONS"]
    patient, quick = _storage(options, PATIENT), _storage(options, QUICK)
    prefix = f"{patient.location}/" if patient.location else ""
    cache = Cache(root, parts, settings.FILES_CACHE_BYTES)
    client, soon = patient.connection.meta.client, quick.connection.meta.client
    return Objects(root, client, soon, patient.bucket_name, prefix, patient.object_parameters, cache)


def _storage(options: dict[str, Any], timing: dict[str, Any]) -> Any:
    style = {"addressing_style": options.get("addressing_style") or "auto"}
    config = Config(s3=style, signature_version="s3v4", max_pool_connections=50, **timing, **_WHEN)
    return S3Storage(**options, client_config=config)
