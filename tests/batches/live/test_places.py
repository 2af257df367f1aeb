"""How many live pages one person has open, where it is counted over several processes."""

import asyncio
import threading
from itertools import count

import pytest

from batches.live import places


class Shared:
    """As the Redis, whose second answer takes its time."""

    def __init__(self) -> None:
        self.answer = threading.Event()
        self.asked = threading.Event()
        self.given_back: list[str] = []
        self._marks = map(str, count())

    def mark(self) -> str:
        return next(self._marks)

    def take(self, person: str, limit: int, mark: str) -> bool:
        if mark != "0":
            self.asked.set()
            assert self.answer.wait(30)
        return True

    def give_back(self, mark: str) -> None:
        self.given_back.append(mark)


def test_one_who_is_cut_while_another_leaves_keeps_no_place(monkeypatch: pytest.MonkeyPatch, settings) -> None:
    settings.MAX_STREAMS = 5
    shared = Shared()
    monkeypatch.setattr(places, "_shared", lambda: shared)

    async def scenario() -> None:
        assert await places.take("ingrid")
        second = asyncio.create_task(places.take("ingrid"))
        await asyncio.to_thread(shared.asked.wait, 30)
        places.give_back("ingrid")
        second.cancel()
        await asyncio.wait({second}, timeout=10)
        assert second.cancelled()

    asyncio.run(scenario())
    shared.answer.set()
    places._asking.submit(lambda: None).result(30)
    assert sorted(shared.given_back) == ["0", "1"]
    assert "ingrid" not in places._taken
    assert "ingrid" not in places._marks
