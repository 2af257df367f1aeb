"""Keys are encrypted at rest with a key that lies beside the data, or comes from the environment.

There may be several, with commas or one a line: the first one seals, all of them open. `manage.py rotate_keys` seals
anew what an older one has sealed, in every column whose name begins with `sealed_`.
"""

from collections.abc import Iterator

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db.models import Model

from ocr.errors import EngineMissing

COLUMN = "sealed_"


def keys() -> list[Fernet]:
    """Newest first. Raises ValueError where one is no key, or there is none."""
    found = [Fernet(key) for key in settings.ENCRYPTION_KEY.replace(",", " ").split()]
    if not found:
        raise ValueError("There is no encryption key.")
    return found


def seal(text: str) -> str:
    return keys()[0].encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises EngineMissing where none of the encryption keys is the one it was sealed with."""
    try:
        return MultiFernet(keys()).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise EngineMissing("The stored key cannot be opened: the encryption key has changed.") from None


def is_newest(sealed: str) -> bool:
    """Whether the first key opens it, so that no older one is needed."""
    try:
        keys()[0].decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


def columns() -> Iterator[tuple[type[Model], str]]:
    """Each column that holds something sealed."""
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if field.name.startswith(COLUMN):
                yield model, field.name
