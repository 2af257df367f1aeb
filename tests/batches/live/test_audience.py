"""Those who follow one thing together, and the task that listens for them."""

import asyncio
import contextlib

import pytest

from batches.live import audience
from batches.live.audience import Audience


class Deaf:
    """A channel layer that takes being cancelled for the end of its own call, as one on Redis may."""

    async def new_channel(self) -> str:
        return "one"

    async def group_add(self, group: str, channel: str) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def receive(self, channel: str) -> None:
        await asyncio.Event().wait()

    async def group_discard(self, group: str, channel: str) -> None:
        """It had joined none."""


def test_nobody_listens_on_when_the_last_one_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience, "get_channel_layer", Deaf)

    async def ended() -> bool:
        one = Audience[str]("batch.1", lambda keys: {}, lambda held, fresh: held, lambda: None, 0.01)
        ears = asyncio.create_task(one._listen())
        await asyncio.sleep(0)  # it joins
        ears.cancel()
        await asyncio.wait({ears}, timeout=5)
        return ears.done()

    assert asyncio.run(ended())
