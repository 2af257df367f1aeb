"""The WebSocket for programs: snapshot, results, end; by token or our own page; each reason to close has its code."""

import asyncio
import json
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.utils import timezone

from batches import changes
from batches.api import following, sockets, tasks
from batches.live import audience, consumers, places
from batches.models import Batch, Card
from cardocr_site.accounts import tokens
from cardocr_site.accounts.models import AccessToken, User
from tests.batches.api.streamed import Stream, finish, message, program, read_by_tens, token_of
from tests.batches.live.sockets import (
    ORIGIN,
    closed_with,
    code_of,
    cookie_of,
    gone,
    opened,
    play,
    read,
    running,
    socket,
)

pytestmark = pytest.mark.django_db(transaction=True)

MakeCards = Callable[..., list[Card]]
in_thread = database_sync_to_async


@pytest.fixture
def cards(batch: Batch, make_cards: MakeCards) -> list[Card]:
    made = make_cards(6)
    running(batch)
    batch.refresh_from_db()
    return made


async def accepted(one: WebsocketCommunicator) -> WebsocketCommunicator:
    assert (await one.connect(timeout=10))[0]
    return one


async def until_closed(one: WebsocketCommunicator) -> tuple[list[dict[str, Any]], int]:
    told = []
    while (output := await one.receive_output(timeout=10))["type"] != "websocket.close":
        told.append(json.loads(output["text"]))
    return told, code_of(output)


def closes(one: Callable[[], WebsocketCommunicator], said: str = "") -> int:
    """With this code, before it has told anything."""

    async def scenario() -> tuple[list[dict[str, Any]], int]:
        opened = await accepted(one())
        if said:
            await opened.send_to(text_data=said)
        return await until_closed(opened)

    told, code = play(scenario)
    assert told == []
    return int(code)


def test_a_snapshot_then_each_card_then_the_end(batch: Batch, cards: list[Card], user: User, api: Any):
    token = token_of(user)

    async def scenario() -> tuple[list[dict[str, Any]], int]:
        one = await accepted(program(f"{batch.pk}?since={batch.version}", token))
        told = [await message(one)]
        await in_thread(read)(batch, cards[0])
        told += [await message(one), await message(one)]
        for card in cards[1:]:
            await in_thread(read)(batch, card)
        await in_thread(finish)(batch)
        rest, code = await until_closed(one)
        return told + rest, code

    (snapshot, result, progress, *rest), code = play(scenario)
    assert code == 1000
    assert set(snapshot) == {"type", "since", "progress"}
    assert (snapshot["type"], snapshot["progress"]["completed"]) == ("snapshot", 0)
    assert snapshot["since"] == str(snapshot["progress"]["version"])
    assert (result.pop("type"), progress["type"], progress["completed"]) == ("result", "progress", 1)
    assert result.pop("since") == f"{result['version']}.{result['card_id']}"
    assert result == api("get", f"/batches/{batch.pk}/results/{cards[0].pk}").data
    assert [one["card_id"] for one in rest if one["type"] == "result"] == [card.pk for card in cards[1:]]
    assert (rest[-1]["type"], rest[-1]["status"]) == ("done", "completed")


@pytest.mark.parametrize("by", ["pk", "uid", "label", "task"])
def test_a_batch_is_named_in_each_way(batch: Batch, cards: list[Card], user: User, by: str):
    Batch.objects.update(label="Drawer_12_2026-11-20_14-05_7kq2mxw9ab")
    batch.refresh_from_db()
    token, name = token_of(user), tasks.of_batch(batch) if by == "task" else getattr(batch, by)

    async def scenario() -> dict[str, Any]:
        return await message(await accepted(program(str(name), token)))

    assert play(scenario)["progress"]["batch_id"] == batch.pk


def test_cut_off_again_and_again_every_result_comes_once(batch: Batch, make_cards: MakeCards, user: User):
    made, chance = make_cards(300), random.Random(6)
    running(batch)
    token, let = token_of(user), threading.Semaphore(0)

    async def scenario() -> tuple[int, list[dict[str, Any]]]:
        seen: list[dict[str, Any]] = []
        since, cuts = "", 0
        writer = asyncio.create_task(in_thread(read_by_tens, thread_sensitive=False)(batch, made, let))
        while not seen or seen[-1]["type"] != "done":
            one = await accepted(program(f"{batch.pk}?since={since}", token))
            let.release()
            for _number in range(chance.randint(1, 18) if cuts < 30 else 10**6):
                seen.append(await message(one))
                since = seen[-1]["since"]
                if seen[-1]["type"] == "done":
                    break
            cuts += seen[-1]["type"] != "done"
            await gone(one)
        await writer
        return cuts, seen

    cuts, seen = play(scenario)
    told = [one["card_id"] for one in seen if one["type"] == "result"]
    assert cuts >= 30
    assert len(told) == 300
    assert set(told) == {card.pk for card in made}


# -- who may


def test_a_token_may_come_as_the_first_message(batch: Batch, cards: list[Card], user: User):
    _row, token = tokens.make(user, "mirror", AccessToken.Scope.READ, None)

    async def scenario() -> list[dict[str, Any]]:
        one = await accepted(program(f"{batch.pk}", origin="https://elsewhere.example"))
        assert await one.receive_nothing(timeout=0.3)
        await one.send_to(text_data=json.dumps({"type": "auth", "token": token}))
        told = [await message(one)]
        await one.send_to(text_data='{"type": "auth", "token": "another"}')  # passed over
        await in_thread(read)(batch, cards[0])
        return [*told, await message(one)]

    assert [one["type"] for one in play(scenario)] == ["snapshot", "result"]


def test_our_own_page_needs_no_token(batch: Batch, user: User):
    cookie = cookie_of(user)

    async def scenario() -> dict[str, Any]:
        return await message(await accepted(program(f"{batch.pk}", origin=ORIGIN.decode(), cookie=cookie)))

    assert play(scenario)["type"] == "snapshot"


@pytest.mark.parametrize("origin", ["", "https://elsewhere.example", "null"])
def test_a_cookie_alone_lets_nobody_in_from_elsewhere(batch: Batch, user: User, monkeypatch: Any, origin: str):
    monkeypatch.setattr(sockets, "TOKEN_WITHIN", 0.2)
    cookie = cookie_of(user)
    assert closes(lambda: program(f"{batch.pk}", origin=origin, cookie=cookie)) == 4401


def test_our_pages_socket_does_not_open_from_elsewhere_as_that_of_programs_does(batch: Batch, user: User):
    cookie = cookie_of(user)

    async def scenario() -> bool:
        one = program(f"{batch.pk}", origin="https://elsewhere.example", cookie=cookie)
        one.scope["path"] = f"/ws/batches/{batch.pk}/"
        return bool((await one.connect(timeout=10))[0])

    assert play(scenario) is False


def test_another_address_is_denied_without_an_error():
    async def scenario() -> bool:
        return bool((await program("1/2").connect(timeout=10))[0])

    assert play(scenario) is False


def test_who_says_nothing_is_closed_with_4401(batch: Batch, monkeypatch: Any):
    assert sockets.TOKEN_WITHIN == 10
    monkeypatch.setattr(sockets, "TOKEN_WITHIN", 0.2)
    assert closes(lambda: program(f"{batch.pk}")) == 4401


@pytest.mark.parametrize(
    "said",
    [
        "hello",
        "[]",
        '{"type": "auth"}',
        '{"type": "auth", "token": 5}',
        '{"type": "auth", "token": "no"}',
        '{"token": "no"}',
        "[" * 9000,
    ],
)
def test_a_first_message_without_a_token_that_holds_is_closed_with_4401(batch: Batch, said: str):
    assert closes(lambda: program(f"{batch.pk}"), said) == 4401


def test_a_wrong_token_in_the_header_is_closed_with_4401_whatever_the_cookie(batch: Batch, user: User):
    cookie = cookie_of(user)
    assert closes(lambda: program(f"{batch.pk}", "wrong", origin=ORIGIN.decode(), cookie=cookie)) == 4401


def test_who_must_choose_a_password_first_is_closed_with_4403(batch: Batch, user: User):
    token = token_of(user)
    User.objects.update(must_change_password=True)
    assert closes(lambda: program(f"{batch.pk}", token)) == 4403


def test_what_is_not_there_or_not_shared_is_closed_with_4404(batch: Batch, other_user: User):
    token = token_of(other_user)
    assert closes(lambda: program("999999999", token)) == 4404
    assert closes(lambda: program("batch-nothing", token)) == 4404
    Batch.objects.update(everybody="none")
    assert closes(lambda: program(f"{batch.pk}", token)) == 4404


def test_what_is_no_version_is_closed_with_4400(batch: Batch, user: User):
    token = token_of(user)
    assert closes(lambda: program(f"{batch.pk}?since=yesterday", token)) == 4400


def closes_by(batch: Batch, act: Callable[[], Any], token: str) -> int:
    async def scenario() -> int:
        one = await accepted(program(f"{batch.pk}", token))
        await message(one)
        await in_thread(act)()
        return await closed_with(one)

    return int(play(scenario))


def test_a_right_that_is_withdrawn_closes_with_4403(batch: Batch, other_user: User, monkeypatch: Any):
    assert audience.CHECK_EVERY <= 60
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    assert closes_by(batch, lambda: Batch.objects.update(everybody="none"), token_of(other_user)) == 4403


def test_a_password_that_must_be_changed_closes_with_4403(batch: Batch, user: User, monkeypatch: Any):
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    assert closes_by(batch, lambda: User.objects.update(must_change_password=True), token_of(user)) == 4403


@pytest.mark.parametrize("act", [AccessToken.objects.all().delete, lambda: User.objects.update(is_active=False)])
def test_a_token_that_holds_no_more_closes_with_4401(batch: Batch, user: User, monkeypatch: Any, act: Any):
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    assert closes_by(batch, act, token_of(user)) == 4401


def test_a_batch_in_the_trash_closes_with_4404(batch: Batch, user: User):
    def delete() -> None:
        with changes.locked(batch) as change:
            change.set(deleted_at=timezone.now())

    assert closes_by(batch, delete, token_of(user)) == 4404


# -- limits


def test_a_message_that_is_too_large_closes_with_4413(batch: Batch):
    said = json.dumps({"type": "auth", "token": "é" * consumers.MESSAGE_BYTES}, ensure_ascii=False)
    assert closes(lambda: program(f"{batch.pk}"), said) == 4413


def test_too_many_messages_close_with_4429(batch: Batch, user: User):
    token = token_of(user)

    async def scenario() -> int:
        one = await accepted(program(f"{batch.pk}", token))
        for _number in range(consumers.MESSAGES_A_MINUTE + 1):
            await one.send_to(text_data="{}")
        return await closed_with(one)

    assert play(scenario) == 4429


def test_silence_is_broken_by_heartbeats(batch: Batch, user: User, monkeypatch: Any):
    monkeypatch.setattr(following, "HEARTBEAT_EVERY", 0.3)
    token = token_of(user)

    async def scenario() -> dict[str, Any]:
        one = await accepted(program(f"{batch.pk}", token))
        await message(one)
        told: dict[str, Any] = json.loads(await one.receive_from(timeout=10))
        return told

    assert play(scenario) == {"type": "heartbeat"}


def test_messages_are_in_the_language_that_is_asked_for(batch: Batch, cards: list[Card], user: User):
    token = token_of(user)

    async def scenario() -> list[str]:
        told = []
        for language in (b"de", b"en"):
            one = program(f"{batch.pk}", token)
            one.scope["headers"].append((b"accept-language", language))
            told.append((await message(await accepted(one)))["progress"]["message"])
        return told

    german, english = play(scenario)
    assert german != english


def test_a_person_has_so_many_streams_and_live_pages_and_no_more(
    batch: Batch, user: User, other_user: User, settings: Any
):
    settings.MAX_STREAMS = 2
    token, others, cookie = token_of(user), token_of(other_user), cookie_of(user)

    async def scenario() -> tuple[list[int], Any, list[str]]:
        first, page = await accepted(program(f"{batch.pk}", token)), await opened(f"/ws/batches/{batch.pk}/", cookie)
        await message(first)
        refused = [await closed_with(await accepted(program(f"{batch.pk}", token)))]
        one_more = socket(f"/ws/batches/{batch.pk}/", cookie)
        await one_more.connect(timeout=10)
        refused.append(await closed_with(one_more))
        async with Stream(f"/batches/{batch.pk}/progress", token) as stream:
            answer = stream.status, stream.headers["retry-after"], await stream.block()
        told = [(await message(await accepted(program(f"{batch.pk}", others))))["type"]]  # another person's
        await gone(page)
        async with asyncio.timeout(10):
            while places.full(user.pk):  # a socket that is cut is heard of a moment later
                await asyncio.sleep(0.01)
        async with Stream(f"/batches/{batch.pk}/progress", token) as stream:  # in the place that is free again
            event = await stream.event()
            told.append(event.name if event else "")
            refused.append(await closed_with(await accepted(program(f"{batch.pk}", token))))
        told.append((await message(await accepted(program(f"{batch.pk}", token))))["type"])
        return refused, answer, told

    refused, answer, told = play(scenario)
    assert refused == [4429] * 3
    assert answer[:2] == (429, "30")
    assert told == ["snapshot", "progress", "snapshot"]


def test_strangers_of_one_address_take_so_many_sockets_and_no_more(batch: Batch, settings: Any):
    settings.MAX_STREAMS = 2

    async def scenario() -> int:
        waiting = [await accepted(program(f"{batch.pk}")) for _number in range(2)]
        code = await closed_with(await accepted(program(f"{batch.pk}")))
        await waiting[0].send_to(text_data="hello")
        assert await closed_with(waiting[0]) == 4401
        await accepted(program(f"{batch.pk}"))
        return code

    assert play(scenario) == 4429
    assert not places._taken
