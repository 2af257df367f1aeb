"""What is logged holds no keys, whoever wrote the line: a library's words, an address, an error's text."""

import logging
import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings

GONE = "[redacted]"
SHORTEST = 8  # characters; shorter secrets would take ordinary words with them

_PATTERNS = (
    # A header, as written or as Python shows a dictionary, with its scheme or without.
    (
        re.compile(r"""(?i)\b((?:proxy-)?authorization|x-api-key|cookie)(["']?\s*[:=]\s*b?["']?)[^"'\r\n]+"""),
        rf"\1\2{GONE}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{12,}"), rf"\1 {GONE}"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{6,}"), GONE),  # keys of endpoints
    (re.compile(r"\bcardocr_[A-Za-z0-9_-]{30,}"), GONE),  # tokens of ours for scripts, and invitations
    (re.compile(r"(/accounts/reset/)[^\s\"'<>]+"), rf"\1{GONE}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"), GONE),  # JSON Web Tokens
    (re.compile(r"\bgAAAA[A-Za-z0-9_=-]{20,}"), GONE),  # what is sealed
    (
        re.compile(
            r"""(?i)\b((?:access_|refresh_|id_)?token|api_?key|key|password|secret|signature|code|ticket)=[^&\s"'<>)]+"""
        ),
        rf"\1={GONE}",
    ),
    (re.compile(r"(://[^\s/@:\"']*:)[^\s/@\"']+@"), rf"\1{GONE}@"),  # a name and a password in an address
)


def _own() -> Iterator[str]:
    for name in ("SECRET_KEY", "ENCRYPTION_KEY", "ADMIN_PASSWORD", "VLM_API_KEY", "AUTH_LDAP_BIND_PASSWORD"):
        value = str(getattr(settings, name, ""))
        yield from (part for part in value.replace(",", " ").split() if len(part) >= SHORTEST)
    scans: Any = settings.STORAGES.get("scans", {})
    for given in (scans.get("OPTIONS", {}).get("secret_key"), settings.DATABASES["default"].get("PASSWORD")):
        if given and len(given) >= SHORTEST:
            yield given


def redacted(text: str) -> str:
    for secret in _own():
        text = text.replace(secret, GONE)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


class Line(logging.Formatter):
    """The last to see a line, with its traceback: a filter would see neither that nor what other filters add."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))
