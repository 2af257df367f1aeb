"""Connections that wait for the next request.

httpcore's own pool looks at every connection, twice, for every request, under one lock: with 64 threads that costs more
than the request. This one takes the connection that was used last.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import httpcore

Connection = httpcore.ConnectionInterface
Make = Callable[[httpcore.Origin], Connection]
_Key = tuple[bytes, bytes, int]


class Pool:
    """Thread-safe, for HTTP/1.1: a connection has one request at a time. Stands where httpx has httpcore's pool."""

    def __init__(self, make: Make, most_idle: int) -> None:
        self._make = make
        self._most_idle = most_idle
        self._lock = threading.Lock()
        self._idle: dict[_Key, deque[Connection]] = {}
        self._closed = False

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        origin = request.url.origin
        key = (origin.scheme, origin.host, origin.port)
        connection = self._waiting(key) or self._make(origin)
        response = connection.handle_request(request)  # it closes itself where that fails
        assert isinstance(response.stream, Iterable)  # noqa: S101
        body = _Body(response.stream, lambda: self._back(key, connection))
        return httpcore.Response(
            response.status, headers=response.headers, content=body, extensions=response.extensions
        )

    def close(self) -> None:
        """Those that wait, and the others as soon as their response has been read."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, {}, True
        for connections in idle.values():
            for connection in connections:
                connection.close()

    def _waiting(self, key: _Key) -> Connection | None:
        while True:
            with self._lock:
                idle = self._idle.get(key)
                connection = idle.pop() if idle else None
            if connection is None or not connection.has_expired():
                return connection
            connection.close()

    def _back(self, key: _Key, connection: Connection) -> None:
        if not connection.is_idle():  # broken off, or the server wants it closed
            return
        with self._lock:
            idle = self._idle.setdefault(key, deque())
            idle.append(connection)
            over = self._closed or len(idle) > self._most_idle or (len(idle) > 1 and idle[0].has_expired())
            oldest = idle.popleft() if over else None
        if oldest is not None:
            oldest.close()


class _Body:
    """A response's body; once it is closed its connection is free."""

    def __init__(self, body: Iterable[bytes], ended: Callable[[], None]) -> None:
        self._body = body
        self._ended: Callable[[], None] | None = ended

    def __iter__(self) -> Iterator[bytes]:
        yield from self._body

    def close(self) -> None:
        ended, self._ended = self._ended, None
        if ended is not None:
            self._body.close()  # type: ignore[attr-defined]  # httpcore's streams all have it
            ended()
