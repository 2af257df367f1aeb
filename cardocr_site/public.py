"""What follows from CARDOCR_URL: hosts, origins, the path in front, whether all of it is https. And who is trusted."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True)
class Site:
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    path: str  # "" or "/cards"
    secure: bool  # every address is https

    @property
    def cookie_prefix(self) -> str:
        """Browsers bind `__Host-` cookies to one host and all of its paths; behind a path `__Secure-` is left."""
        if not self.secure:
            return ""
        return "__Secure-" if self.path else "__Host-"


def site(addresses: Sequence[str]) -> Site:
    parts = [urlsplit(address.strip()) for address in addresses if address.strip()]
    for part in parts:
        if part.scheme not in {"http", "https"} or not part.hostname or part.query or part.fragment or part.username:
            raise ImproperlyConfigured(
                f"CARDOCR_URL: {part.geturl()!r} is not an address like https://cards.example.org or "
                "http://127.0.0.1:8000/cards."
            )
    if not parts:
        raise ImproperlyConfigured("CARDOCR_URL is empty: give the address by which people reach cardocr.")
    paths = {part.path.rstrip("/") for part in parts}
    if len(paths) > 1:
        raise ImproperlyConfigured("CARDOCR_URL: all addresses must have the same path.")
    hosts = [_bracketed(part.hostname or "") for part in parts]
    if any(host in LOOPBACK for host in hosts):
        hosts += LOOPBACK
    return Site(
        hosts=tuple(dict.fromkeys(hosts)),
        origins=tuple(dict.fromkeys(f"{part.scheme}://{part.netloc}".lower() for part in parts)),
        path=paths.pop(),
        secure=all(part.scheme == "https" for part in parts),
    )


def networks(setting: str, texts: Sequence[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Addresses and networks as they are written in a setting. Raises ImproperlyConfigured."""
    try:
        return [ipaddress.ip_network(text.strip(), strict=False) for text in texts if text.strip()]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{setting}: {error}. Give addresses or networks like 192.0.2.7 or 10.1.0.0/16, with commas."
        ) from error


def refuse_debug(site: Site) -> None:
    """Raises ImproperlyConfigured where others would see the inside of the program on each page of an error."""
    others = [host for host in site.hosts if host not in LOOPBACK]
    if others:
        raise ImproperlyConfigured(
            f"CARDOCR_DEBUG is on and CARDOCR_URL names {', '.join(others)}: error pages would show settings and data "
            "to whoever reaches it. Remove CARDOCR_DEBUG, or CARDOCR_URL while you look for the fault here."
        )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
