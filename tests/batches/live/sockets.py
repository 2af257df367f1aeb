"""Opening our sockets as a browser does: by the whole ASGI application, with a session cookie and an origin."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgiref.sync import async_to_sync
from channels.testing import WebsocketCommunicator
from channels.testing import application as communicating
from django.conf import settings
from django.db import close_old_connections
from django.test import Client

from batches import changes
from batches.models import Batch, Card, CardResult
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from cardocr_site.asgi import application

# It lets the threads keep their connections. Those end with each test's loop, and the pool would wait for them.
communicating.no_op = close_old_connections

ORIGIN = b"http://127.0.0.1:8000"


def cookie_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def socket(path: str, cookie: str = "") -> WebsocketCommunicator:
    headers = [(b"origin", ORIGIN), (b"host", b"127.0.0.1:8000")]
    if cookie:
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()))
    return WebsocketCommunicator(application, path, headers=headers)


async def opened(path: str, cookie: str) -> WebsocketCommunicator:
    """Connected, and the first heartbeat heard: from then on it follows."""
    one = socket(path, cookie)
    connected, _protocol = await one.connect(timeout=10)
    assert connected
    assert json.loads(await one.receive_from(timeout=10)) == {"beat": True}
    return one


async def next_frame(one: WebsocketCommunicator, seconds: float = 10) -> dict[str, Any]:
    """The next that is not a heartbeat."""
    async with asyncio.timeout(seconds):
        while True:
            message = json.loads(await one.receive_from(timeout=seconds))
            if "version" in message:
                return message


async def closed_with(one: WebsocketCommunicator, seconds: float = 10) -> int:
    async with asyncio.timeout(seconds):
        while True:
            message = await one.receive_output(timeout=seconds)
            if message["type"] == "websocket.close":
                return code_of(message)


def code_of(message: Mapping[str, Any]) -> int:
    """One that daphne sends: it fails at others, and the socket stays open."""
    code = int(message["code"])
    assert code == 1000 or 3000 <= code <= 4999
    return code


async def gone(one: WebsocketCommunicator) -> None:
    """Cut, as a browser that is closed or a server that stops does it: without a word."""
    one.stop(exceptions=False)
    await asyncio.sleep(0)


def play(scenario: Callable[[], Awaitable[Any]]) -> Any:
    return async_to_sync(scenario)()


def read(batch: Batch, card: Card, value: str = "Ibsen", **result: Any) -> None:
    """As the collector does it: one card read, in one version."""
    with changes.locked(batch) as change:
        fresh = change.batch.cards.get(pk=card.pk)
        if fresh.status == CardStatus.PENDING:
            change.move_card(fresh, CardStatus.PROCESSING)
        fields = {"author": {"verbatim": value, "value": value, "state": "value", "confidence": 0.95, "issues": []}}
        made = CardResult.objects.create(card=fresh, fields=fields, values={"author": value}, confidence=0.95, **result)
        change.move_card(fresh, CardStatus.COMPLETED, result=made, duration=1.5)


def running(batch: Batch) -> Batch:
    changes.move_batch(batch, BatchStatus.QUEUED)
    return changes.move_batch(batch, BatchStatus.RUNNING)


def names(frame: dict[str, Any]) -> list[str]:
    return [row["id"] for row in frame["rows"]]
