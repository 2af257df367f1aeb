"""Secrets that are made once and kept in the data folder, readable by its owner alone."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet


def new_secret() -> str:
    return secrets.token_urlsafe(64)


def new_encryption_key() -> str:
    return Fernet.generate_key().decode()


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
