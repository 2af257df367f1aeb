"""Viewers on the sockets of running batches, some of whose connections break; and whether each saw each row once."""

import asyncio
import json
import re
import time
from collections.abc import Mapping

from benchmarks.load.line import Closed, Line
from benchmarks.load.people import World, asked

_AFTER = re.compile(r'data-after="([0-9.]+)"')
_VERSION = re.compile(r'data-version="(\d+)"')
BREAKS = 60.0  # seconds between two breaks of a connection, in the mean, of those that break


class Viewer:
    def __init__(self, world: World, session: tuple[str, str], batch: int, *, breaks: bool) -> None:
        self._world, self._batch, self._breaks = world, batch, breaks
        self._browser = world.browser(session)
        self._cookie = "=".join(session)
        self.after, self.begun = "", (0, 0)
        self.seen: dict[int, tuple[int, float]] = {}  # card: the version shown last, and when
        self.frames = 0

    @property
    def batch(self) -> int:
        return self._batch

    async def watch(self, comes_after: float) -> None:
        """Until somebody ends it."""
        await asyncio.sleep(comes_after)
        async with self._browser:
            await self._load()
        while True:
            try:
                line = await Line.open(
                    self._world.url, f"/ws/batches/{self._batch}/?view=live&after={self.after}", self._cookie
                )
            except (Closed, OSError) as error:
                self._world.record.fault(f"socket: not opened, {error}")
                await asyncio.sleep(1)
                continue
            self._world.record.counts["sockets opened"] += 1
            try:
                await self._follow(line)
            except Closed as closed:
                self._world.record.fault(f"socket: died, {closed}")
                await asyncio.sleep(1)
            finally:
                line.cut()

    async def _load(self) -> None:
        """As the page does: where its rows end, the socket begins."""
        page = await asked(self._world, self._browser, "page of a running batch", "GET", f"/batches/{self._batch}/")
        found = _AFTER.search(page.text) if page else None
        if found is None:
            self._world.record.fault("viewer: the page names no cursor")
        self.after = found[1] if found else "0.0"
        version, _, card = self.after.partition(".")
        self.begun = (int(version), int(card))

    async def _follow(self, line: Line) -> None:
        """Raises Closed. Returns when the connection is to break."""
        pause = self._world.chance.expovariate(1 / BREAKS) if self._breaks else 1e9
        ends = time.monotonic() + pause
        while (left := ends - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    text = await line.text()
            except TimeoutError:
                break
            self.take(json.loads(text), time.time())
        self._world.record.counts["sockets cut"] += 1

    def take(self, frame: Mapping[str, object], at: float) -> None:
        version = frame.get("version")
        if not isinstance(version, list):
            return  # a heartbeat
        self.frames += 1
        if frame["reload"]:
            self._world.record.fault("socket: told to load the page anew")
        self.after = ".".join(str(part) for part in version)
        rows = frame["rows"]
        assert isinstance(rows, list)
        for row in rows:
            stamped = _VERSION.search(row["html"])
            if stamped is None:
                continue  # a card that has only begun stands in no row
            card, shown = int(row["id"].removeprefix("card-")), int(stamped[1])
            if self.seen.get(card, (0, 0.0))[0] >= shown:
                self._world.record.fault("row: doubled")
            self.seen[card] = (shown, at)

    def judge(self, cards: Mapping[int, tuple[int, float]]) -> None:
        """Compare with how each card ended; the time from a card's end to its row is kept."""
        for card, (version, finished) in cards.items():
            if (version, card) <= self.begun:
                continue
            shown, at = self.seen.get(card, (0, 0.0))
            if shown != version:
                self._world.record.fault("row: missed" if shown == 0 else "row: not its last state")
            else:
                self._world.record.seconds["row of a read card, at a viewer"].append(at - finished)
