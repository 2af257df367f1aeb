"""A WebSocket as a browser opens one, in what is needed of RFC 6455: a library would be one more dependency."""

import asyncio
import base64
import os
import struct
from urllib.parse import urlsplit

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
LARGEST = 16_000_000


class Closed(Exception):
    """The other side ended it; `code` says why, 1006 that it did not say so."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Line:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, site: str, path: str, cookie: str) -> "Line":
        """Raises Closed where it is refused."""
        host = urlsplit(site).netloc
        name, _, port = host.partition(":")
        reader, writer = await asyncio.open_connection(name, int(port), limit=2**20)
        key = base64.b64encode(os.urandom(16)).decode()
        head = {
            "Host": host,
            "Origin": site,
            "Cookie": cookie,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
        }
        lines = "".join(f"{header}: {value}\r\n" for header, value in head.items())
        writer.write(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        try:
            answer = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError):
            answer = b""
        if not answer.startswith(b"HTTP/1.1 101 "):
            writer.close()
            raise Closed(1006)
        return cls(reader, writer)

    async def text(self) -> str:
        """The next message. Raises Closed."""
        said = b""
        while True:
            try:
                final, kind, body = await self._frame()
            except (asyncio.IncompleteReadError, OSError):
                raise Closed(1006) from None
            if kind == PING:
                self._send(PONG, body)
            elif kind == CLOSE:
                raise Closed(struct.unpack(">H", body[:2])[0] if len(body) > 1 else 1005)
            elif kind != PONG:
                said += body
                if final:
                    return said.decode()

    async def _frame(self) -> tuple[bool, int, bytes]:
        first, second = await self._reader.readexactly(2)
        length = second & 127
        if length > 125:
            short = length == 126
            length = struct.unpack(">H" if short else ">Q", await self._reader.readexactly(2 if short else 8))[0]
        if length > LARGEST:
            raise Closed(1009)
        return bool(first & 128), first & 15, await self._reader.readexactly(length)

    def _send(self, kind: int, body: bytes) -> None:
        """Short frames alone: pongs, and that it closes."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))
        self._writer.write(bytes((128 | kind, 128 | len(body))) + mask + masked)

    def cut(self) -> None:
        """Without a word, as a network does."""
        self._writer.transport.abort()

    async def close(self) -> None:
        self._send(CLOSE, struct.pack(">H", 1000))
        self._writer.close()
