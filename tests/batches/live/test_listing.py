import asyncio
from typing import Any

import pytest
from channels.db import database_sync_to_async

from batches.live import feed, listing
from batches.models import Batch, Card
from cardocr_site.accounts.models import User
from tests.batches.live.sockets import closed_with, cookie_of, names, next_frame, opened, play, read, socket

pytestmark = pytest.mark.django_db(transaction=True)

in_thread = database_sync_to_async


@pytest.fixture
def list_of_two(batch: Batch, user: User) -> list[Batch]:
    return [batch, Batch.objects.create(name="Drawer 13", owner=user, fields=batch.fields)]


def test_the_list_sends_its_rows_and_then_what_changes(list_of_two: list[Batch], cards: list[Card], user: User) -> None:
    cookie = cookie_of(user)
    first, second = list_of_two

    async def scenario() -> tuple[list[str], dict[str, Any]]:
        one = await opened(f"/ws/batches/?rows={first.pk},{second.pk},999999999&lang=en", cookie)
        begin = names(await next_frame(one))
        await in_thread(read)(first, cards[0])
        frame = await next_frame(one)
        await one.disconnect()
        async with asyncio.timeout(5):
            while feed.house().watcher.alive:
                await asyncio.sleep(0.01)
        return begin, frame

    begin, frame = play(scenario)
    assert begin == [f"batch-{first.pk}", f"batch-{second.pk}"]
    assert names(frame) == [f"batch-{first.pk}"]
    assert "<b>1</b> of 6" in frame["rows"][0]["html"]


def test_the_list_never_shows_what_is_private(list_of_two: list[Batch], other_user: User) -> None:
    hidden, shared = list_of_two
    Batch.objects.filter(pk=hidden.pk).update(everybody="none")
    cookie = cookie_of(other_user)

    async def scenario() -> list[str]:
        one = await opened(f"/ws/batches/?rows={hidden.pk},{shared.pk}", cookie)
        return names(await next_frame(one))

    assert play(scenario) == [f"batch-{shared.pk}"]


def test_a_batch_that_goes_into_the_trash_leaves_the_list(list_of_two: list[Batch], user: User) -> None:
    from django.utils import timezone

    first, second = list_of_two
    running_version = Batch.objects.filter(pk=first.pk).update(version=4)
    assert running_version == 1
    cookie = cookie_of(user)

    async def scenario() -> dict[str, Any]:
        one = await opened(f"/ws/batches/?rows={first.pk},{second.pk}", cookie)
        await next_frame(one)
        await in_thread(Batch.objects.filter(pk=first.pk).update)(deleted_at=timezone.now())
        return await next_frame(one)

    assert play(scenario)["rows"] == [{"id": f"batch-{first.pk}", "position": 1, "html": ""}]


def test_the_list_is_closed_to_nobody_signed_in() -> None:
    async def scenario() -> int:
        one = socket("/ws/batches/?rows=1")
        assert (await one.connect(timeout=10))[0]
        return await closed_with(one)

    assert play(scenario) == 4401


def test_odd_row_lists_are_harmless() -> None:
    assert listing.parse_ids("3,x,²,-1,3,99999999999999999999999999,4") == (3, 4)
