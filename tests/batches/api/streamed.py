"""Following a batch as a program does: by the whole ASGI application, with a token."""

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.utils import timezone

from batches import changes
from batches.models import Batch, Card
from batches.states import CardStatus
from cardocr_site.accounts import tokens
from cardocr_site.accounts.models import User
from cardocr_site.asgi import application

HOST = (b"host", b"127.0.0.1:8000")


def finish(batch: Batch) -> None:
    with changes.locked(batch) as change:
        change.finish_if_done(timezone.now())


def read_by_tens(batch: Batch, cards: Sequence[Card], let: threading.Semaphore) -> None:
    """A version for each ten cards, one for each `let`; then the end."""
    for begin in range(0, len(cards), 10):
        assert let.acquire(timeout=20)
        with changes.locked(batch) as change:
            for card in cards[begin : begin + 10]:
                change.move_card(card, CardStatus.PROCESSING)
                change.move_card(card, CardStatus.COMPLETED)
    finish(batch)


def token_of(user: User) -> str:
    return tokens.sign_in(user)[0]


class Event(NamedTuple):
    name: str
    id: str
    data: Any


class Stream:
    """One request for Server-Sent Events. Left without a word at the end of `async with`."""

    def __init__(self, address: str, token: str = "", *, last: str = "", cookie: str = "") -> None:
        path, _, query = address.partition("?")
        headers = [HOST]
        for name, value in (("authorization", f"Bearer {token}" if token else ""), ("last-event-id", last)):
            headers += [(name.encode(), value.encode())] if value else []
        if cookie:
            headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
        self._scope = {"type": "http", "method": "GET", "path": f"/api/v1{path}", "query_string": query.encode()}
        self._scope |= {"headers": headers, "scheme": "http", "http_version": "1.1"}
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._text = ""
        self.ended = False

    async def __aenter__(self) -> "Stream":
        self._received.put_nowait({"type": "http.request", "body": b""})
        self._task = asyncio.create_task(application(self._scope, self._received.get, self._sent.put))
        head = await self._next()
        self.status = head["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in head["headers"]}
        return self

    async def __aexit__(self, *problem: object) -> None:
        self._received.put_nowait({"type": "http.disconnect"})
        async with asyncio.timeout(10):
            await self._task

    async def _next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self._sent.get()

    async def block(self) -> str | None:
        """The next lines up to an empty one; None at the end."""
        while "\n\n" not in self._text:
            if self.ended:
                return None
            message = await self._next()
            self._text += message.get("body", b"").decode()
            self.ended = not message.get("more_body")
        block, self._text = self._text.split("\n\n", 1)
        return block

    async def event(self) -> Event | None:
        """The next one, without comments; None at the end."""
        while (block := await self.block()) is not None:
            if not block.startswith(":"):
                told = dict(line.split(": ", 1) for line in block.split("\n"))
                assert set(told) == {"event", "id", "data"}
                return Event(told["event"], told["id"], json.loads(told["data"]))
        return None

    async def rest(self) -> list[Event]:
        events = []
        while (event := await self.event()) is not None:
            events.append(event)
        return events

    async def quiet(self, seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return self._sent.empty() and not self._text


def program(address: str, token: str = "", *, origin: str = "", cookie: str = "") -> WebsocketCommunicator:
    headers = [HOST]
    if token:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    if origin:
        headers.append((b"origin", origin.encode()))
    if cookie:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    return WebsocketCommunicator(application, f"/api/v1/ws/task/{address}", headers=headers)


async def message(one: WebsocketCommunicator, seconds: float = 10) -> dict[str, Any]:
    """The next that is not a heartbeat."""
    while True:
        told: dict[str, Any] = json.loads(await one.receive_from(timeout=seconds))
        if told["type"] != "heartbeat":
            return told
