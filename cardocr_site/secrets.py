"""Secrets that are made once and kept in the data folder, readable by its owner alone."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

SHORTEST = 32  # characters of a secret key; a made one has 86
# Parts of keys that others know: Django's own prefix, and what stands in examples.
KNOWN = ("django-insecure", "insecure", "changeme", "change-me", "change_me", "your-secret", "example", "secretkey")


def new_secret() -> str:
    return secrets.token_urlsafe(64)


def new_encryption_key() -> str:
    return Fernet.generate_key().decode()


def refuse_known(key: str) -> None:
    """Raises ImproperlyConfigured for a secret key with which others could sign in as anybody."""
    if len(key) < SHORTEST:
        problem = f"is shorter than {SHORTEST} characters"
    elif any(part in key.lower() for part in KNOWN):
        problem = "is one that stands in examples"
    elif len(set(key)) < 8:
        problem = "is made of a few characters alone"
    else:
        return
    raise ImproperlyConfigured(
        f"CARDOCR_SECRET_KEY {problem}: whoever guesses it signs in as anybody. Remove the setting, and one is made "
        "and kept in the data folder; or make one: python -c 'import secrets; print(secrets.token_urlsafe(64))'"
    )


def stored(path: Path, make: Callable[[], str]) -> str:
    """Read the secret at `path`, or make it. Two processes that start at once agree on one."""
    try:
        return path.read_text()
    except FileNotFoundError:
        pass  # the first start
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(make())
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(partial, path)  # fails where the other process was first
    except FileExistsError:
        pass
    finally:
        partial.unlink()
    return path.read_text()
