"""What the settings of single sign-on say: which role a group from outside brings, and who gets none by a group."""

import importlib.util
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

NONE = "none"
LADDER = ("", "viewer", "reviewer", "operator", "administrator")  # as User.Role, from the least
LONGEST = 150  # characters of a group's name


def group_roles(text: str) -> dict[str, str | None]:
    """Of `archive-admins=administrator;cataloguers=operator;readers`: the role by group, None where it brings none."""
    found: dict[str, str | None] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        group, equals, role = entry.rpartition("=")
        name = (group if equals else role).strip()
        if not name or len(name) > LONGEST:
            raise ImproperlyConfigured(
                f"CARDOCR_GROUP_ROLES: “{entry}” is not a group and its role, like cataloguers=operator."
            )
        found[name] = _role("CARDOCR_GROUP_ROLES", role) if equals else None
    return found


def default_role(text: str) -> str:
    role = _role("CARDOCR_DEFAULT_ROLE", text)
    if role == LADDER[-1]:
        raise ImproperlyConfigured(
            "CARDOCR_DEFAULT_ROLE: everybody who comes from outside would be an administrator. "
            "Name the group of those who are in CARDOCR_GROUP_ROLES."
        )
    return role


def _role(setting: str, text: str) -> str:
    role = text.strip().lower()
    role = "" if role == NONE else role
    if role not in LADDER or (not role and not text.strip()):
        words = ", ".join([NONE, *LADDER[1:]])
        raise ImproperlyConfigured(f"{setting}: “{text.strip()}” is not a role. There are {words}.")
    return role


OIDC_PROVIDER = "oidc"
OIDC_APPS = [
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
]
OIDC_MIDDLEWARE = "allauth.account.middleware.AccountMiddleware"


def need(module: str, setting: str, extra: str) -> None:
    """That the packages of an extra are there."""
    if importlib.util.find_spec(module) is None:
        raise ImproperlyConfigured(
            f"{setting} is set, but what it needs is not installed: "
            f".venv/bin/python -m pip install -r requirements-{extra}.lock"
        )


def oidc(url: str, client_id: str, client_secret: str, name: str) -> dict[str, Any]:
    """allauth's settings for the one provider."""
    if not (url and client_id and client_secret):
        raise ImproperlyConfigured(
            "CARDOCR_OIDC_URL, CARDOCR_OIDC_CLIENT_ID and CARDOCR_OIDC_CLIENT_SECRET belong together: "
            "set all three, or none."
        )
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}):
        raise ImproperlyConfigured("CARDOCR_OIDC_URL must start with https://: what comes from there opens accounts.")
    need("allauth", "CARDOCR_OIDC_URL", "oidc")
    app = {"provider_id": OIDC_PROVIDER, "name": name, "client_id": client_id, "secret": client_secret}
    return {
        "openid_connect": {"APPS": [app | {"settings": {"server_url": url.rstrip("/"), "oauth_pkce_enabled": True}}]}
    }
