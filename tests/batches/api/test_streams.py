"""Server-Sent Events: each card once through every break, until the end, and only for those who may."""

import asyncio
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.test import Client
from django.utils import timezone

from batches import changes
from batches.api import following
from batches.live import audience, feed
from batches.models import Batch, Card
from batches.queries import live
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import AccessToken, User
from tests.batches.api.streamed import Event, Stream, finish, read_by_tens, token_of
from tests.batches.live.sockets import cookie_of, play, read, running

pytestmark = pytest.mark.django_db(transaction=True)

MakeCards = Callable[..., list[Card]]
in_thread = database_sync_to_async


@pytest.fixture
def cards(batch: Batch, make_cards: MakeCards) -> list[Card]:
    made = make_cards(6)
    running(batch)
    batch.refresh_from_db()
    return made


def path(batch: Batch, query: str = "") -> str:
    return f"/batches/{batch.pk}/progress{query}"


async def named(stream: Stream, name: str) -> Event:
    """The next of that kind."""
    while (event := await stream.event()) is not None:
        if event.name == name:
            return event
    raise AssertionError(f"The stream has ended without {name}")


def test_progress_comes_at_once_then_each_card_then_the_end(batch: Batch, cards: list[Card], user: User, api: Any):
    token = token_of(user)

    async def scenario() -> list[Event]:
        async with Stream(path(batch), token) as stream:
            assert stream.status == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["x-accel-buffering"] == "no"
            assert "no-cache" in stream.headers["cache-control"]
            assert "content-length" not in stream.headers
            events = [await stream.event()]
            await in_thread(read)(batch, cards[0])
            events += [await stream.event(), await stream.event()]
            for card in cards[1:]:
                await in_thread(read)(batch, card)
            await in_thread(finish)(batch)
            return [one for one in events if one] + await stream.rest()

    first, result, progress, *rest = play(scenario)
    assert (first.name, result.name, progress.name) == ("progress", "result", "progress")
    assert (first.data["completed"], progress.data["completed"]) == (0, 1)
    assert result.id == f"{result.data['version']}.{cards[0].pk}"
    assert result.data == api("get", f"/batches/{batch.pk}/results/{cards[0].pk}").data
    assert progress.id == str(progress.data["version"]) == str(result.data["version"])
    assert [one.data["card_id"] for one in rest if one.name == "result"] == [card.pk for card in cards[1:]]
    assert [one.name for one in rest[-2:]] == ["progress", "done"]
    assert rest[-1].data | {"elapsed_seconds": 0, "cards_per_minute": 0} == api(
        "get", f"/batches/{batch.pk}/status"
    ).data | {"elapsed_seconds": 0, "cards_per_minute": 0}
    assert rest[-1].data["status"] == "completed"


def test_a_batch_that_is_over_is_told_from_the_beginning(batch: Batch, cards: list[Card], user: User):
    for card in cards:
        read(batch, card)
    finish(batch)
    token = token_of(user)

    async def scenario(last: str = "", query: str = "") -> tuple[int, list[Event]]:
        async with Stream(path(batch, query), token, last=last) as stream:
            return stream.status, await stream.rest()

    status, events = play(scenario)
    assert [one.name for one in events] == ["progress", *["result"] * 6, "done"]
    assert play(partial(scenario, events[3].id))[1][1:] == events[4:]
    assert play(partial(scenario, "", f"?since={events[3].data['version']}"))[1][1:] == events[4:]
    assert play(partial(scenario, events[3].id, "?since=0"))[1][1:] == events[4:]  # a browser keeps its address
    done = play(partial(scenario, str(batch.version + 100)))[1]
    assert [one.name for one in done] == [one.name for one in events]  # nobody was ever there: all of it
    assert play(partial(scenario, events[-1].id)) == (204, [])  # a browser would come again and again
    assert status == 200


def test_cards_that_wait_or_are_being_read_are_no_results(batch: Batch, cards: list[Card], user: User):
    token = token_of(user)

    def begin() -> None:
        changes.move_cards(batch, Card.objects.filter(pk=cards[0].pk), CardStatus.PROCESSING)
        changes.move_cards(batch, Card.objects.filter(pk=cards[1].pk), CardStatus.SKIPPED, skip_reason="person")

    async def scenario() -> list[Any]:
        async with Stream(path(batch), token) as stream:
            await stream.event()
            await in_thread(begin)()
            told = []
            while not told or told[-1].data["version"] < batch.version + 2:
                told.append(await named(stream, "progress") if told else await stream.event())
            async with Stream(path(batch), token) as again:
                await again.event()
                other = await again.event()
            return [*told, other]

    events = play(scenario)
    assert {event.data["card_id"] for event in events if event.name == "result"} <= {cards[1].pk}
    assert events[-1].data["status"] == "skipped"


def test_a_batch_that_is_being_stopped_ends_when_its_last_card_has(batch: Batch, cards: list[Card], user: User):
    changes.move_cards(batch, Card.objects.filter(pk=cards[0].pk), CardStatus.PROCESSING)
    token = token_of(user)

    def stop() -> None:
        changes.move_batch(batch, BatchStatus.CANCELLED)
        changes.move_cards(batch, Card.objects.filter(status=CardStatus.PENDING), CardStatus.CANCELLED)

    async def scenario() -> list[Event]:
        async with Stream(path(batch), token) as stream:
            await stream.event()
            await in_thread(stop)()
            events = [await named(stream, "result")]
            await asyncio.sleep(0.3)
            await in_thread(read)(batch, Card(pk=cards[0].pk))
            return events + await stream.rest()

    events = play(scenario)
    results = [one.data for one in events if one.name == "result"]
    assert sorted(one["card_id"] for one in results) == [card.pk for card in cards]
    assert results[-1]["status"] == "completed"
    assert events[-1].name == "done"


def test_cut_off_a_hundred_times_every_result_comes_once(batch: Batch, make_cards: MakeCards, user: User):
    made, chance = make_cards(1000), random.Random(6)
    running(batch)
    token, let = token_of(user), threading.Semaphore(0)

    async def scenario() -> tuple[int, list[Event]]:
        seen: list[Event] = []
        last, cuts = "", 0
        writer = asyncio.create_task(in_thread(read_by_tens, thread_sensitive=False)(batch, made, let))
        while not seen or seen[-1].name != "done":
            async with Stream(path(batch), token, last=last) as stream:
                let.release()
                for _number in range(chance.randint(1, 18) if cuts < 100 else 10**6):
                    if (event := await stream.event()) is None:
                        break
                    seen.append(event)
                    last = event.id
                cuts += seen[-1].name != "done"
        await writer
        return cuts, seen

    cuts, seen = play(scenario)
    told = [event.data["card_id"] for event in seen if event.name == "result"]
    assert cuts >= 100
    assert len(told) == 1000
    assert set(told) == {card.pk for card in made}
    assert seen[-1].data["completed"] == 1000


def test_far_behind_it_is_told_in_parts(batch: Batch, make_cards: MakeCards, user: User, monkeypatch: Any):
    monkeypatch.setattr(following, "AT_ONCE", 4)
    monkeypatch.setattr(feed, "EVERY", 0.02)
    made = make_cards(11)
    running(batch)
    changes.move_cards(batch, batch.cards.all(), CardStatus.SKIPPED, skip_reason="person")  # one version
    token = token_of(user)

    async def scenario() -> list[Event]:
        async with Stream(path(batch), token) as stream:
            events = []
            while not events or events[-1].name != "progress" or len(events) == 1:
                events.append(await stream.event())
            return events

    first, *results, last = play(scenario)
    assert first.id == "0"
    assert [one.data["card_id"] for one in results] == [card.pk for card in made]
    assert last.data["skipped"] == 11


def test_a_card_that_changes_while_it_is_looked_up_is_told_as_it_is_then(batch: Batch, cards: list[Card], user: User):
    read(batch, cards[0])
    token, real = token_of(user), live.came_of

    def meanwhile(*asked: Any) -> list[tuple[int, int]]:
        keys = real(*asked)
        if keys and Card.objects.get(pk=cards[0].pk).reviewed is False:
            with changes.locked(batch) as change:
                change.touch_card(change.batch.cards.get(pk=cards[0].pk), reviewed=True)
        return keys

    async def scenario() -> list[Event]:
        async with Stream(path(batch), token) as stream:
            events = [await stream.event(), await stream.event()]
            while events[-1].name != "progress":
                events.append(await stream.event())
            return events[1:]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "came_of", meanwhile)
        result, progress = play(scenario)
    assert result.data["reviewed"] is True
    assert result.data["version"] == progress.data["version"]


def test_many_who_follow_cost_one_reading(batch: Batch, cards: list[Card], user: User, monkeypatch: Any):
    token, asked = token_of(user), []
    real = following.results_of
    monkeypatch.setattr(following, "results_of", lambda keys: (asked.append(list(keys)), real(keys))[1])

    async def scenario() -> list[Event]:
        async with asyncio.TaskGroup() as group:
            opened = [group.create_task(Stream(path(batch), token).__aenter__()) for _number in range(8)]
        streams = [task.result() for task in opened]
        for stream in streams:
            await stream.event()
        asked.clear()
        await in_thread(read)(batch, cards[0])
        events = [await named(stream, "result") for stream in streams]
        for stream in streams:
            await stream.__aexit__()
        return events

    events = play(scenario)
    assert asked == [[cards[0].pk]]
    assert len(set(map(str, events))) == 1


def test_progress_comes_at_most_four_times_a_second(batch: Batch, make_cards: MakeCards, user: User):
    made = make_cards(30)
    running(batch)
    token = token_of(user)

    async def scenario() -> tuple[list[Event], float]:
        loop = asyncio.get_running_loop()
        async with Stream(path(batch), token) as stream:
            began = loop.time()
            for card in made:
                await in_thread(read)(batch, card)
            await in_thread(finish)(batch)
            return await stream.rest(), loop.time() - began

    events, seconds = play(scenario)
    assert sum(event.name == "progress" for event in events) <= 2 + seconds * 4
    assert sum(event.name == "result" for event in events) == 30


def test_silence_is_broken_by_a_comment(batch: Batch, user: User, monkeypatch: Any):
    assert following.HEARTBEAT_EVERY <= 30
    monkeypatch.setattr(following, "HEARTBEAT_EVERY", 0.4)
    token = token_of(user)

    async def scenario() -> list[str | None]:
        async with Stream(path(batch), token) as stream:
            await stream.event()
            return [await stream.block(), await stream.block()]

    assert play(scenario) == [": heartbeat", ": heartbeat"]


def test_whoever_goes_away_leaves_nothing_behind(batch: Batch, cards: list[Card], user: User):
    token = token_of(user)

    async def scenario() -> None:
        house = feed.house()
        async with Stream(path(batch), token) as stream:
            await stream.event()
            async with Stream(path(batch), token) as other:
                await other.event()
                assert len(house.programs[batch.pk].seats) == 2
            async with asyncio.timeout(5):
                while len(house.programs[batch.pk].seats) == 2:
                    await asyncio.sleep(0.01)
            await in_thread(read)(batch, cards[0])
            assert (await named(stream, "result")).data["card_id"] == cards[0].pk
        async with asyncio.timeout(5):
            while house.programs or house.watcher.alive:
                await asyncio.sleep(0.01)

    play(scenario)


# -- who may


def test_who_may_not_gets_an_error_as_from_every_call(batch: Batch, api: Any, others_api: Any, anonymous: Any):
    api.refused("RESOURCE_NOT_FOUND", "get", "/batches/999999999/progress")
    anonymous.refused("AUTH_REQUIRED", "get", path(batch))
    Batch.objects.update(everybody="none")
    others_api.refused("RESOURCE_NOT_FOUND", "get", path(batch))


def test_what_is_no_cursor_is_refused(batch: Batch, api: Any):
    for text in ("x", "-1", "1.x", "1.2.3", "\u0661", "9" * 30, "1."):
        assert set(api.refused("VALIDATION_ERROR", "get", path(batch, f"?since={text}"))) == {"since"}
        told = api.refused(
            "VALIDATION_ERROR", "get", path(batch), headers={"Last-Event-ID": text.encode().decode("latin1")}
        )
        assert set(told) == {"Last-Event-ID"}


def ends(batch: Batch, act: Callable[[], Any], token: str = "", cookie: str = "") -> None:
    """The stream of a batch that nothing happens to ends by that act alone."""

    async def scenario() -> list[Event]:
        async with Stream(path(batch), token, cookie=cookie) as stream:
            assert stream.status == 200
            await stream.event()
            assert await stream.quiet(0.5)
            await in_thread(act)()
            return await stream.rest()

    assert [event.name for event in play(scenario) if event.name != "progress"] == []


def test_a_right_that_is_withdrawn_ends_it(batch: Batch, other_user: User, monkeypatch: Any):
    assert audience.CHECK_EVERY <= 60
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    ends(batch, lambda: Batch.objects.update(everybody="none"), token_of(other_user))


def test_a_revoked_token_ends_it(batch: Batch, user: User, monkeypatch: Any):
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    ends(batch, AccessToken.objects.all().delete, token_of(user))


def test_deactivation_ends_it(batch: Batch, user: User, monkeypatch: Any):
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    ends(batch, lambda: User.objects.update(is_active=False), token_of(user))


def test_signing_out_ends_that_of_a_browser(batch: Batch, user: User, monkeypatch: Any):
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    client = Client()
    client.force_login(user)
    ends(batch, client.logout, cookie=client.cookies["sessionid"].value)


def test_a_batch_in_the_trash_ends_it(batch: Batch, user: User):
    def delete() -> None:
        with changes.locked(batch) as change:
            change.set(deleted_at=timezone.now())

    ends(batch, delete, cookie=cookie_of(user))


def test_the_description_says_what_it_is(client: Client):
    described = client.get("/api/v1/openapi.json").json()["paths"]["/api/v1/batches/{batch_id}/progress"]["get"]
    assert set(described["responses"]["200"]["content"]) == {"text/event-stream"}
    assert {one["name"] for one in described["parameters"]} >= {"Last-Event-ID", "since", "batch_id"}
