"""How requests leave: to addresses that were checked, not to names; no redirects; through the gate."""

import threading
import time
from contextlib import ExitStack
from functools import cache
from ssl import SSLContext
from typing import Any

import httpx

from ocr import addresses
from ocr.engines.base import sending

CONNECT_SECONDS = 10.0
_RESOLVED_FOR = 30.0  # seconds


@cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)


class PinnedTransport(httpx.BaseTransport):
    """Resolves the host, checks each of its addresses, and connects to one of those, whatever the name says later.

    Raises ocr.addresses.Forbidden before anything leaves.
    """

    def __init__(self, private_hosts: tuple[str, ...]) -> None:
        self.private_hosts = private_hosts
        self._inner = httpx.HTTPTransport(
            verify=_tls(), limits=httpx.Limits(max_connections=None, max_keepalive_connections=64), trust_env=False
        )
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
        request.url = url.copy_with(host=address)
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


def client(
    timeout: float, private_hosts: tuple[str, ...], transport: httpx.BaseTransport | None = None
) -> httpx.Client:
    """One for all threads: one per thread halves the throughput."""
    return httpx.Client(
        transport=transport or PinnedTransport(private_hosts),
        timeout=httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout)),
        follow_redirects=False,
        trust_env=False,
    )
