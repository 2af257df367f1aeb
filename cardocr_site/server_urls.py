"""The address of a server in a setting, taken apart. What is wrong is said without it: it may hold a password."""

from urllib.parse import SplitResult, parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured


def taken_apart(setting: str, url: str) -> tuple[SplitResult, int | None, list[tuple[str, str]]]:
    """Its parts, its port, and what follows the question mark. Raises ImproperlyConfigured."""
    try:
        parts = urlsplit(url)
        return parts, parts.port, parse_qsl(parts.query, strict_parsing=True) if parts.query else []
    except ValueError:
        raise ImproperlyConfigured(
            f"{setting} cannot be read: its port must be a number, and special characters of a password "
            "are written as in %40 for @."
        ) from None
