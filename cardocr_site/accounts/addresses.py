"""Who is calling: the peer, or whoever a trusted proxy says it was."""

import ipaddress
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

IPv6_HOME = 64  # one household, many addresses
_asking: ContextVar[HttpRequest | None] = ContextVar("asking", default=None)


def asking() -> HttpRequest | None:
    """The request that this thread answers: for the audit log, whose acts are told by what knows no request."""
    return _asking.get()


class AskingMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = _asking.set(request)
        try:
            return self.get_response(request)
        finally:
            _asking.reset(token)


@cache
def _networks(trusted: tuple[str, ...]) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(item.strip(), strict=False) for item in trusted)


def _trusted(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in _networks(tuple(settings.TRUSTED_PROXIES)))


def from_trusted_proxy(request: HttpRequest) -> bool:
    """Whether the peer itself is one: what it forwards for others does not count."""
    return _trusted(str(request.META.get("REMOTE_ADDR") or ""))


def client_address(request: HttpRequest | None) -> str:
    """As text; of an IPv6 address its network, since one caller has as many as he likes."""
    if request is None:
        return ""
    address = str(request.META.get("REMOTE_ADDR") or "")
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        if not hop.strip() or not _trusted(address):
            break
        address = hop.strip()
    return as_kept(address)


def as_kept(address: str) -> str:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if ip.version == 6:
        return str(ipaddress.ip_network(f"{ip}/{IPv6_HOME}", strict=False))
    return str(ip)
