"""An end by wall clock for everything that comes over the wire.

httpx's time-outs are for each read alone: a server that sends a byte now and then outlives them all.
"""

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

from ocr.engines.connections import Pool

_PIECE = 65_536  # bytes
_until: ContextVar[float | None] = ContextVar("until", default=None)


@contextmanager
def by(until: float) -> Iterator[None]:
    """What this thread sends and receives inside ends by then (time.monotonic), with httpx's TimeoutException."""
    token = _until.set(until)
    try:
        yield
    finally:
        _until.reset(token)


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    until = _until.get()
    if until is None:
        return timeout
    left = until - time.monotonic()
    if left <= 0:
        raise error("The time for this call is over.")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):  # a peer that takes a little at a time has no more time for it
            self._inner.write(buffer[start : start + _PIECE], _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options))


class Transport(httpx.HTTPTransport):
    """httpx's own, with an end. It offers no way to hand the backend in; a test with a dribbling server holds this."""

    def __init__(self, *, most_idle: int, **options: Any) -> None:
        super().__init__(**options, limits=httpx.Limits(max_connections=None))
        theirs = self._pool
        theirs._network_backend = _Backend()
        self._pool = Pool(theirs.create_connection, most_idle)  # type: ignore[assignment]
