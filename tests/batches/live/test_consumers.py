import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.test import Client

from batches import changes
from batches.live import audience, consumers, feed, fragments
from batches.models import Batch, Card
from batches.states import CardStatus
from cardocr_site.accounts.models import User
from tests.batches.live.sockets import (
    closed_with,
    cookie_of,
    gone,
    names,
    next_frame,
    opened,
    play,
    read,
    running,
    socket,
)

pytestmark = pytest.mark.django_db(transaction=True)

MakeCards = Callable[..., list[Card]]
in_thread = database_sync_to_async


def path(batch: Batch, after: str = "", **query: str) -> str:
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return f"/ws/batches/{batch.pk}/?after={after or feed.cursor_at(batch)}{more}"


def test_nobody_signed_in_is_accepted_and_closed_with_4401(batch: Batch) -> None:
    async def scenario() -> int:
        one = socket(f"/ws/batches/{batch.pk}/")
        assert (await one.connect(timeout=10))[0]
        code = await closed_with(one)
        assert not feed.house().feeds
        return code

    assert play(scenario) == 4401


def test_who_comes_does_not_wait_behind_what_is_drawn(batch: Batch, user: User) -> None:
    """A drawing takes a thread for long where thousands of rows are behind; hundreds may be waiting for one."""
    cookie, address, drawn = cookie_of(user), path(batch), threading.Event()

    async def scenario() -> None:
        drawing = [asyncio.get_running_loop().run_in_executor(None, drawn.wait) for _ in range(100)]
        try:
            one = await opened(address, cookie)
        finally:
            drawn.set()
            await asyncio.gather(*drawing)
        await one.disconnect()

    play(scenario)


def test_a_private_batch_of_another_is_unknown(batch: Batch, other_user: User) -> None:
    Batch.objects.update(everybody="none")
    cookie = cookie_of(other_user)

    async def scenario() -> int:
        one = socket(f"/ws/batches/{batch.pk}/", cookie)
        assert (await one.connect(timeout=10))[0]
        return await closed_with(one)

    assert play(scenario) == 4404


def test_another_origin_is_denied(batch: Batch, user: User) -> None:
    cookie = cookie_of(user)

    async def scenario() -> bool:
        one = socket(f"/ws/batches/{batch.pk}/", cookie)
        one.scope["headers"][0] = (b"origin", b"http://elsewhere.example")
        return bool((await one.connect(timeout=10))[0])

    assert play(scenario) is False


def test_a_card_that_is_read_arrives_once_with_the_numbers(batch: Batch, cards: list[Card], user: User) -> None:
    cookie, address = cookie_of(user), path(batch)

    async def scenario() -> dict[str, Any]:
        one = await opened(address, cookie)
        await in_thread(read)(batch, cards[0])
        frame = await next_frame(one)
        assert await one.receive_nothing(timeout=0.6)
        await one.disconnect()
        return frame

    frame = play(scenario)
    assert names(frame) == [f"card-{cards[0].pk}"]
    assert frame["rows"][0]["position"] == 1
    assert "Ibsen" in frame["rows"][0]["html"]
    assert {fragment["id"] for fragment in frame["fragments"]} == set(fragments.FILES)
    progress = next(part["html"] for part in frame["fragments"] if part["id"] == "progress")
    assert 'data-percent="16"' in progress
    batch.refresh_from_db()
    assert frame["version"] == [batch.version, cards[0].pk]
    assert frame["reload"] is False


def test_nothing_is_lost_or_doubled_through_dropped_sockets(batch: Batch, make_cards: MakeCards, user: User) -> None:
    made = make_cards(60)
    running(batch)
    batch.refresh_from_db()
    cookie, start = cookie_of(user), str(feed.cursor_at(batch))
    pause = threading.Event()

    def write() -> None:
        for card in made:
            read(batch, card, f"Author {card.position}")
            pause.wait(0.01)

    async def scenario() -> list[str]:
        seen: list[str] = []
        after = start
        writer = asyncio.create_task(in_thread(write, thread_sensitive=False)())
        while len(set(seen)) < len(made):
            one = await opened(path(batch, after), cookie)
            for _ in range(2):
                frame = await next_frame(one)
                assert frame["reload"] is False
                seen += names(frame)
                after = "{}.{}".format(*frame["version"])
                if len(set(seen)) == len(made):
                    break
            await gone(one)
        await writer
        return seen

    seen = play(scenario)
    assert len(seen) == len(made)
    assert set(seen) == {f"card-{card.pk}" for card in made}


def test_only_complete_versions_are_sent(batch: Batch, make_cards: MakeCards, user: User) -> None:
    """Cards of one transaction come together, whatever moment the feed looks."""
    made = make_cards(40)
    running(batch)
    batch.refresh_from_db()
    cookie, address = cookie_of(user), path(batch)

    def write() -> None:
        for begin in range(0, 40, 8):
            with changes.locked(batch) as change:
                for card in made[begin : begin + 8]:
                    change.move_card(card, CardStatus.PROCESSING)
                    change.move_card(card, CardStatus.COMPLETED)

    async def scenario() -> list[dict[str, Any]]:
        one = await opened(address, cookie)
        writer = asyncio.create_task(in_thread(write, thread_sensitive=False)())
        frames = []
        while sum(len(frame["rows"]) for frame in frames) < 40:
            frames.append(await next_frame(one))
        await writer
        await one.disconnect()
        return frames

    frames = play(scenario)
    assert all(len(frame["rows"]) % 8 == 0 for frame in frames)
    assert [names(frame) for frame in frames if not frame["rows"]] == []


def test_many_viewers_of_the_same_place_cost_one_drawing(
    batch: Batch, cards: list[Card], user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie, address = cookie_of(user), path(batch)
    drawn: list[str] = []
    real = fragments.context

    def counting(batch: Batch, viewer: fragments.Viewer) -> dict[str, Any]:
        drawn.append(viewer.language)
        return real(batch, viewer)

    monkeypatch.setattr(fragments, "context", counting)

    async def scenario() -> list[dict[str, Any]]:
        ones = [await opened(f"{address}&lang={'de' if n % 2 else 'en'}", cookie) for n in range(12)]
        await in_thread(read)(batch, cards[0])
        frames = [await next_frame(one) for one in ones]
        for one in ones:
            await one.disconnect()
        return frames

    frames = play(scenario)
    assert sorted(drawn) == ["de", "en"]
    assert all(names(frame) == [f"card-{cards[0].pk}"] for frame in frames)


def test_a_dead_viewer_harms_nobody(batch: Batch, cards: list[Card], user: User) -> None:
    cookie, address = cookie_of(user), path(batch)

    async def scenario() -> None:
        dead = await opened(address, cookie)
        seats = feed.house().feeds[batch.pk].seats
        (first,) = seats
        one = await opened(address, cookie)

        async def breaks(text: str) -> None:
            raise ConnectionResetError

        first.send = breaks
        await in_thread(read)(batch, cards[0])
        assert await closed_with(dead) == 4408  # a page that still lives comes back
        assert names(await next_frame(one)) == [f"card-{cards[0].pk}"]
        assert len(seats) == 1

    play(scenario)


def test_a_slow_viewer_is_passed_over_and_catches_up(batch: Batch, cards: list[Card], user: User) -> None:
    cookie, address = cookie_of(user), path(batch)

    async def scenario() -> tuple[list[str], list[str]]:
        slow_one = await opened(address, cookie)
        house = feed.house()
        (slow,) = house.feeds[batch.pk].seats
        one = await opened(address, cookie)
        taken = asyncio.Event()
        send = slow.send
        got: list[str] = []

        async def slowly(text: str) -> None:
            got.append(text)
            await taken.wait()
            await send(text)

        slow.send = slowly
        fast: list[str] = []
        for card in cards[:3]:
            await in_thread(read)(batch, card)
            fast += names(await next_frame(one))
        assert len(got) == 1
        taken.set()
        late = names(await next_frame(slow_one))
        late += names(await next_frame(slow_one))
        return fast, late

    fast, late = play(scenario)
    assert fast == late == [f"card-{card.pk}" for card in cards[:3]]


def test_permission_that_is_withdrawn_closes_with_4403(
    batch: Batch, cards: list[Card], other_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    cookie, address = cookie_of(other_user), path(batch)

    async def scenario() -> int:
        one = await opened(address, cookie)
        await in_thread(Batch.objects.update)(everybody="none")
        return await closed_with(one)

    assert play(scenario) == 4403


def test_signing_out_closes_with_4401(batch: Batch, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    client = Client()
    client.force_login(user)
    cookie, address = client.cookies["sessionid"].value, path(batch)

    async def scenario() -> int:
        one = await opened(address, cookie)
        await in_thread(client.logout)()
        return await closed_with(one)

    assert play(scenario) == 4401


def test_a_batch_in_the_trash_closes_with_4404(batch: Batch, cards: list[Card], user: User) -> None:
    from django.utils import timezone

    cookie, address = cookie_of(user), path(batch)

    def delete() -> None:
        with changes.locked(batch) as change:
            change.set(deleted_at=timezone.now())

    async def scenario() -> int:
        one = await opened(address, cookie)
        await in_thread(delete)()
        return await closed_with(one)

    assert play(scenario) == 4404


def test_a_new_role_is_drawn_from_then_on(
    batch: Batch, cards: list[Card], user: User, other_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "CHECK_EVERY", 0.2)
    cookie, address = cookie_of(other_user), path(batch)

    async def scenario() -> None:
        one = await opened(address, cookie)
        (seat,) = feed.house().feeds[batch.pk].seats
        assert not seat.key.viewer.can_edit
        await in_thread(Batch.objects.update)(owner=other_user)
        async with asyncio.timeout(10):
            while not seat.key.viewer.can_edit:
                await asyncio.sleep(0.02)
        await one.disconnect()

    play(scenario)


def test_far_behind_reloads(batch: Batch, make_cards: MakeCards, user: User) -> None:
    made = make_cards(501)
    Card.objects.update(version=3, status=CardStatus.COMPLETED)
    Batch.objects.update(version=3)
    cookie = cookie_of(user)

    async def scenario() -> dict[str, Any]:
        return await next_frame(await opened(path(batch, "2.0"), cookie))

    frame = play(scenario)
    assert frame == {"version": [3, made[-1].pk], "fragments": [], "rows": [], "reload": True}


def test_a_frame_too_large_to_send_reloads(
    batch: Batch, cards: list[Card], user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "LARGEST", 1000)
    cookie, address = cookie_of(user), path(batch)

    async def scenario() -> dict[str, Any]:
        one = await opened(address, cookie)
        await in_thread(read)(batch, cards[0])
        return await next_frame(one)

    frame = play(scenario)
    assert frame["reload"] is True
    assert frame["version"][1] == cards[0].pk


def test_silence_is_broken_by_heartbeats_and_survived(
    batch: Batch, cards: list[Card], user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "BEAT_EVERY", 3.0)
    cookie, address = cookie_of(user), path(batch)

    async def scenario() -> dict[str, Any]:
        one = await opened(address, cookie)
        assert await one.receive_nothing(timeout=1.0)
        assert json.loads(await one.receive_from(timeout=10)) == {"beat": True}
        await in_thread(read)(batch, cards[0])
        return await next_frame(one)

    assert names(play(scenario)) == [f"card-{cards[0].pk}"]


def test_feed_and_watcher_stop_when_nobody_watches(batch: Batch, cards: list[Card], user: User) -> None:
    cookie, address = cookie_of(user), path(batch)

    async def scenario() -> None:
        one, other = await opened(address, cookie), await opened(address, cookie)
        house = feed.house()
        assert house.watcher.alive
        await one.disconnect()
        assert batch.pk in house.feeds
        await gone(other)
        async with asyncio.timeout(5):
            while house.feeds or house.watcher.alive:
                await asyncio.sleep(0.01)
        assert "audience" not in {task.get_name() for task in asyncio.all_tasks()}

    play(scenario)


def test_a_message_that_is_too_large_ends_the_connection(batch: Batch, user: User) -> None:
    cookie, address = cookie_of(user), path(batch)

    async def scenario() -> int:
        one = await opened(address, cookie)
        await one.send_to(text_data="x" * (consumers.MESSAGE_BYTES + 1))
        code = await closed_with(one)
        assert not feed.house().feeds
        return code

    assert play(scenario) == 4413


def test_too_many_messages_end_the_connection(batch: Batch, user: User) -> None:
    cookie, address = cookie_of(user), path(batch)

    async def scenario() -> int:
        one = await opened(address, cookie)
        for _ in range(consumers.MESSAGES_A_MINUTE):
            await one.send_to(text_data="{}")
        assert await one.receive_nothing(timeout=0.5)
        await one.send_to(bytes_data=b"{}")
        return await closed_with(one)

    assert play(scenario) == 4429
