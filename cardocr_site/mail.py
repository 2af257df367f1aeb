"""What follows from CARDOCR_EMAIL_URL and CARDOCR_EMAIL_FROM."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email

_SCHEMES = ("smtp", "smtp+tls", "smtp+ssl")


def settings_of(url: str, sender: str) -> dict[str, Any]:
    """Django's settings. What is wrong is said without the address, which may hold a password."""
    scheme = url.partition("://")[0]
    if "://" not in url or scheme not in _SCHEMES:
        raise ImproperlyConfigured(
            "CARDOCR_EMAIL_URL must start with smtp://, smtp+tls:// or smtp+ssl://, "
            "as in smtp+tls://user:password@mail.example.org:587."
        )
    try:
        found: dict[str, Any] = environ.Env.email_url_config(url)
    except ValueError:
        found = {}
    if not found.get("EMAIL_HOST"):
        raise ImproperlyConfigured("CARDOCR_EMAIL_URL names no mail server.")
    try:
        validate_email(sender)
    except ValidationError:
        raise ImproperlyConfigured(
            "CARDOCR_EMAIL_FROM must be an address like cards@example.org: mail is sent in its name."
        ) from None
    usual = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}[scheme]
    plain = {name: found.get(name) or "" for name in ("EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD")}
    return {**found, **plain, "EMAIL_PORT": found.get("EMAIL_PORT") or usual, "DEFAULT_FROM_EMAIL": sender}
