"""A WebSocket to a real server, read in a thread, without a client of others: text frames, as our pages get them."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Listener:
    def __init__(self, port: int, path: str, cookies: str) -> None:
        self.frames: list[dict[str, Any]] = []
        self.is_open = True
        self._line = socket.create_connection(("127.0.0.1", port), 30)
        self._line.settimeout(None)
        here = f"127.0.0.1:{port}"
        self._line.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {here}\r\nOrigin: http://{here}\r\nCookie: {cookies}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        self._file = self._line.makefile("rb")
        assert b" 101 " in self._file.readline()
        while self._file.readline() != b"\r\n":
            pass
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            while True:
                kind, size = self._file.read(2)
                if size > 125:
                    size = int.from_bytes(self._file.read(2 if size == 126 else 8), "big")
                data = self._file.read(size)
                if kind & 15 == 8:
                    break
                if kind & 15 == 1:
                    self.frames.append(json.loads(data))
        except (OSError, ValueError):  # cut
            pass
        self.is_open = False

    def rows(self) -> dict[str, str]:
        """The last HTML of each row that was shown."""
        return {row["id"]: row["html"] for frame in list(self.frames) for row in frame.get("rows", [])}

    def close(self) -> None:
        self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._file.close()
        self._line.close()


@contextmanager
def listening(port: int, path: str, cookies: str) -> Iterator[Listener]:
    listener = Listener(port, path, cookies)
    try:
        yield listener
    finally:
        listener.close()
