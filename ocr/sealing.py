"""Keys are encrypted at rest with a key that lies beside the data, or comes from the environment."""

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings

from ocr.errors import EngineMissing


def seal(text: str) -> str:
    return Fernet(settings.ENCRYPTION_KEY).encrypt(text.encode()).decode()


def unseal(sealed: str) -> str:
    """Raises EngineMissing where the encryption key is not the one it was sealed with."""
    try:
        return Fernet(settings.ENCRYPTION_KEY).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise EngineMissing("The stored key cannot be opened: the encryption key has changed.") from None
