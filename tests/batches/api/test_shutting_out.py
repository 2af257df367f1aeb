"""Whoever may not look any more is shut out of whatever is open within 60 seconds: of a clock that is moved."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from batches.models import Batch
from cardocr_site.accounts import people
from cardocr_site.accounts.models import User
from tests.batches.api.streamed import Stream, message, program, token_of
from tests.batches.live.sockets import opened, socket

pytestmark = pytest.mark.django_db(transaction=True)

STAYS = 0
Act = Callable[[], Any]


def move_clock(seconds: float) -> None:
    """Of the loop that runs: all that waits for its time to come has waited so long."""
    loop = asyncio.get_running_loop()
    time = loop.time
    loop.time = lambda: time() + seconds  # type: ignore[method-assign]


@pytest.fixture
def magnus(other_user: User) -> Client:
    client = Client()
    client.force_login(other_user)
    return client


@pytest.fixture
def after(batch: Batch, other_user: User, magnus: Client) -> Callable[[Act], dict[str, int]]:
    """With which code each that Magnus has open is closed, once this has happened and a minute has passed."""
    cookie, token = magnus.cookies[settings.SESSION_COOKIE_NAME].value, token_of(other_user)
    Batch.objects.update(status="running")
    events = f"/batches/{batch.pk}/progress"

    async def scenario(act: Act) -> dict[str, int]:
        async with AsyncExitStack() as stack:
            sockets = {
                "page": await opened(f"/ws/batches/{batch.pk}/", cookie),
                "list": await opened("/ws/batches/", cookie),
                "collection": await opened("/ws/collections/?collection=Music", cookie),
                "program by token": await greeted(program(f"{batch.pk}", token)),
                "program by session": await greeted(socket(f"/api/v1/ws/task/{batch.pk}", cookie)),
            }
            streams = {
                "events by token": await stack.enter_async_context(Stream(events, token)),
                "events by session": await stack.enter_async_context(Stream(events, cookie=cookie)),
            }
            for stream in streams.values():
                await stream.event()
            await database_sync_to_async(act)()
            await asyncio.sleep(0.3)  # what was on its way has arrived
            move_clock(60)
            codes = [code_of(one) for one in sockets.values()] + [end_of(one) for one in streams.values()]
            found = dict(zip([*sockets, *streams], await asyncio.gather(*codes), strict=True))
            for one in sockets.values():
                one.stop(exceptions=False)
            return found

    return lambda act: async_to_sync(scenario)(act)


async def greeted(one: WebsocketCommunicator) -> WebsocketCommunicator:
    assert (await one.connect(timeout=10))[0]
    await message(one)
    return one


async def code_of(one: WebsocketCommunicator) -> int:
    """Permission is asked for before the heartbeat: who hears one has stayed."""
    while (output := await one.receive_output(timeout=10))["type"] != "websocket.close":
        if output["text"] in {'{"beat": true}', '{"type": "heartbeat"}'}:
            return STAYS
    return int(output["code"])


async def end_of(stream: Stream) -> int:
    while (block := await stream.block()) is not None:
        if block.startswith(":"):
            return STAYS
    return 1000


BY_TOKEN = ("program by token", "events by token")


def test_nobody_is_shut_out_without_a_reason(after: Callable[[Act], dict[str, int]]) -> None:
    assert set(after(lambda: None).values()) == {STAYS}


def test_a_closed_account_is(after: Callable[[Act], dict[str, int]], other_user: User, administrator: User) -> None:
    found = after(lambda: people.deactivate(other_user, administrator))
    assert found.pop("events by token") == found.pop("events by session") == 1000
    assert set(found.values()) == {4401}


def unshare() -> None:
    Batch.objects.update(everybody="none")


def demote() -> None:
    person = User.objects.get(username="magnus")
    person.role = User.Role.NONE
    person.save()


@pytest.mark.parametrize("act", [unshare, demote])
def test_whoever_has_lost_the_right_is(after: Callable[[Act], dict[str, int]], act: Act) -> None:
    found = after(act)
    assert found.pop("list") == STAYS  # with nothing in it
    assert found.pop("collection") == 4404
    assert found.pop("events by token") == found.pop("events by session") == 1000
    assert set(found.values()) == {4403}


def test_signing_out_shuts_what_the_browser_has_open(after: Callable[[Act], dict[str, int]], magnus: Client) -> None:
    found = after(lambda: magnus.post("/accounts/logout/"))
    assert [found.pop(name) for name in BY_TOKEN] == [STAYS, STAYS]
    assert found.pop("events by session") == 1000
    assert set(found.values()) == {4401}
