"""How requests leave: to addresses that were checked, not to names, or by a proxy; no redirects; through the gate."""

import threading
import time
from contextlib import ExitStack
from functools import cache, lru_cache
from ssl import SSLContext
from typing import Any

import httpx

from ocr import addresses
from ocr.engines import deadlines
from ocr.engines.base import EngineConfig, sending
from ocr.errors import EngineMissing

CONNECT_SECONDS = 10.0
_RESOLVED_FOR = 30.0  # seconds
_MOST_IDLE = 64  # connections


@cache
def _tls(ca_bundle: str = "") -> SSLContext:
    """The usual certificates, and those of the house. Raises EngineMissing where these cannot be used."""
    context = httpx.create_ssl_context(trust_env=False)
    if ca_bundle:
        try:
            context.load_verify_locations(cafile=ca_bundle)
        except OSError:
            raise EngineMissing("The file of certificates cannot be read, or holds none.") from None
    return context


@lru_cache(256)
def _at(url: httpx.URL, address: str) -> httpx.URL:
    return url.copy_with(host=address)


class PinnedTransport(httpx.BaseTransport):
    """Resolves the host, checks each of its addresses, and connects to one of those, whatever the name says later.

    Raises ocr.addresses.Forbidden before anything leaves.
    """

    def __init__(self, private_hosts: tuple[str, ...], ca_bundle: str = "") -> None:
        self.private_hosts = private_hosts
        self._inner = deadlines.Transport(verify=_tls(ca_bundle), most_idle=_MOST_IDLE, trust_env=False)
        self._lock = threading.Lock()
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host, url = request.url.host, request.url
        found = self._addresses(host, url.port or (443 if url.scheme == "https" else 80))
        request.extensions = {**request.extensions, "sni_hostname": host}
        for address in found[:-1]:
            try:
                return self._send(request, url, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue  # the next of its addresses
        return self._send(request, url, found[-1])

    def _send(self, request: httpx.Request, url: httpx.URL, address: str) -> httpx.Response:
        request.url = _at(url, address)
        try:
            return self._inner.handle_request(request)
        finally:
            request.url = url

    def _addresses(self, host: str, port: int) -> list[str]:
        now = time.monotonic()
        with self._lock:
            until, found = self._known.get((host, port), (0.0, []))
        if now < until:
            return found
        try:
            found = addresses.allowed(host, port, self.private_hosts)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"The host {host} cannot be found.") from error
        with self._lock:
            self._known[(host, port)] = (now + _RESOLVED_FOR, found)
        return found

    def close(self) -> None:
        self._inner.close()


class ProxyTransport(httpx.BaseTransport):
    """Leaves by the house's proxy, which alone knows where a name leads; hosts in the house are called directly.

    Raises ocr.addresses.Forbidden before anything leaves.
    """

    def __init__(self, private_hosts: tuple[str, ...], proxy: str, ca_bundle: str = "") -> None:
        self._private_hosts = private_hosts
        self._direct = PinnedTransport(private_hosts, ca_bundle)
        tls = _tls(ca_bundle)
        try:
            by = httpx.Proxy(proxy, ssl_context=tls if proxy.startswith("https:") else None)
            self._outside = deadlines.Transport(verify=tls, most_idle=_MOST_IDLE, trust_env=False, proxy=by)
        except (httpx.InvalidURL, ValueError):
            raise EngineMissing("The address of the proxy cannot be used.") from None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if addresses.in_the_house(request.url.host, self._private_hosts):
            return self._direct.handle_request(request)
        return self._outside.handle_request(request)

    def close(self) -> None:
        self._direct.close()
        self._outside.close()


class Departure:
    """Follows one request: inside the gate while its headers leave. Given to httpx as the extension `trace`."""

    def __init__(self) -> None:
        self._inside = ExitStack()

    def __call__(self, event: str, _info: dict[str, Any]) -> None:
        _, _, moment = event.partition(".")
        if moment == "send_request_headers.started":
            self._inside.enter_context(sending())
        elif moment in ("send_request_headers.complete", "send_request_headers.failed"):
            self._inside.close()


def outbound(config: EngineConfig) -> httpx.BaseTransport:
    """The way out of an engine's requests, for all threads: one each halves the throughput. Raises EngineMissing."""
    if config.proxy:
        return ProxyTransport(config.private_hosts, config.proxy, config.ca_bundle)
    return PinnedTransport(config.private_hosts, config.ca_bundle)
