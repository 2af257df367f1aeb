"""Those who watch the same thing in this process: read once for all of them, sent to each on its own."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from cardocr_site import log_context
from cardocr_site.shared.outage import outage

BEAT_EVERY = 20.0  # seconds; a page that hears nothing for 45 s opens its socket again
CHECK_EVERY = 30.0  # permission, asked anew; promised within 60 s
SEND_SECONDS = 30.0  # for one frame to one viewer: up to 4 MB, perhaps over a slow line
REJOIN_EVERY = 3600.0  # a channel layer forgets members of a group after a day
AFTER_AN_ERROR = 1.0
NOT_TAKEN = 4408
BEAT = '{"beat": true}'

logger = logging.getLogger(__name__)

Key = TypeVar("Key")  # those whose key is equal get the same frame


@dataclass(frozen=True, slots=True)
class Access(Generic[Key]):
    """What a viewer may do now: with a `code` the socket closes, otherwise `key` says what is drawn."""

    code: int | None
    key: Key | None = None


@dataclass(eq=False, slots=True)
class Seat(Generic[Key]):
    """One open socket."""

    key: Key
    send: Callable[[str], Awaitable[None]]
    close: Callable[[int], Awaitable[None]]
    access: Callable[[Key], Access[Key]]  # asks the database; runs in a thread
    sending: asyncio.Task[None] | None = None
    missed: bool = False  # something was drawn while its last frame was on the way


@dataclass(slots=True)
class Sheet(Generic[Key]):
    """What came of reading for one key: a text to send, if any, then a code to close with; the key from then on."""

    key: Key
    text: str | None = None
    code: int | None = None
    more: bool = False  # there is more to tell as soon as this was taken


@dataclass(eq=False)
class Audience(Generic[Key]):
    """Alive while it has seats."""

    group: str
    draw: Callable[[set[Key]], dict[Key, Sheet[Key]]]  # in a thread, at most once per `every` seconds
    renew: Callable[[Key, Key], Key]  # the key of a seat, from the one it holds and the one it may have now
    empty: Callable[[], None]  # when the last one has left
    every: float
    beat_every: float | None = None
    seats: set[Seat[Key]] = field(default_factory=set)
    _task: asyncio.Task[None] | None = None
    _poked: asyncio.Event = field(default_factory=asyncio.Event)

    def join(self, seat: Seat[Key]) -> None:
        self.seats.add(seat)
        _all_seats.add(seat)
        self._poked.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self.group, context=log_context.apart())
            _audiences.setdefault(asyncio.get_running_loop(), WeakSet()).add(self)

    def leave(self, seat: Seat[Key]) -> None:
        """May be called twice, and from a socket that was cut without a word."""
        if seat not in self.seats:
            return
        self.seats.discard(seat)
        _all_seats.discard(seat)
        if seat.sending is not None:
            seat.sending.cancel()
        if not self.seats and self._task is not None:
            self._task.cancel()
            self._task = None
            self.empty()

    async def _run(self) -> None:
        ears = asyncio.create_task(self._listen(), name=f"{self.group} listens")
        loop = asyncio.get_running_loop()
        checked = beaten = loop.time()
        try:
            while True:
                beat_every = BEAT_EVERY if self.beat_every is None else self.beat_every
                due = min(checked + CHECK_EVERY, beaten + beat_every)
                poked = await self._wait(due - loop.time())
                began = loop.time()
                try:
                    if began >= checked + CHECK_EVERY:
                        checked = began
                        await self._check()
                    if began >= beaten + beat_every:
                        beaten = began
                        self._send_all(BEAT)
                    if poked:
                        await self._show()
                except Exception:
                    logger.exception("Viewers of %s are not served; trying again", self.group)
                    self._poked.set()
                    await asyncio.sleep(AFTER_AN_ERROR)
                await asyncio.sleep(max(0.0, began + self.every - loop.time()))
        finally:
            ears.cancel()

    async def _wait(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._poked.wait()
        except TimeoutError:
            return False
        self._poked.clear()
        return True

    def wake(self) -> None:
        self._poked.set()

    async def _listen(self) -> None:
        """To pokes of other processes. Whatever becomes of the layer, the watcher of this one goes on looking."""
        layer = get_channel_layer()
        while not _is_cancelled():
            channel = None
            try:
                channel = await layer.new_channel()
                await layer.group_add(self.group, channel)
                self.wake()  # what was said before one listened
                async with asyncio.timeout(REJOIN_EVERY):
                    while not _is_cancelled():
                        await layer.receive(channel)
                        self.wake()
            except TimeoutError:
                pass
            except Exception as error:
                outage.failed(error)
                await asyncio.sleep(AFTER_AN_ERROR)
            finally:
                if channel is not None:
                    with contextlib.suppress(Exception):
                        await layer.group_discard(self.group, channel)

    async def _show(self) -> None:
        """Draw once per key for those who have taken their last frame; the others catch up from where they are."""
        idle = []
        for seat in self.seats:
            seat.missed = seat.sending is not None
            if not seat.missed:
                idle.append(seat)
        if not idle:
            return
        sheets = await database_sync_to_async(self.draw, thread_sensitive=False)({seat.key for seat in idle})
        for seat in idle:
            sheet = sheets.get(seat.key)
            if sheet is None or seat not in self.seats:
                continue
            seat.key, seat.missed = sheet.key, sheet.more
            if sheet.text is not None:
                self._send(seat, sheet.text, sheet.code)
            elif sheet.code is not None:
                self._turn_away(seat, sheet.code)

    async def _check(self) -> None:
        """Permission may have been withdrawn, the session ended, the role changed."""
        seats = list(self.seats)

        def ask() -> list[Access[Key]]:
            return [seat.access(seat.key) for seat in seats]

        for seat, access in zip(seats, await database_sync_to_async(ask, thread_sensitive=False)(), strict=True):
            if seat not in self.seats:
                continue
            if access.code is not None or access.key is None:
                self._turn_away(seat, access.code or 4403)
            else:
                seat.key = self.renew(seat.key, access.key)

    def _send_all(self, text: str) -> None:
        for seat in [seat for seat in self.seats if seat.sending is None]:
            self._send(seat, text)

    def _send(self, seat: Seat[Key], text: str, then: int | None = None) -> None:
        seat.sending = asyncio.create_task(self._deliver(seat, text, then))

    async def _deliver(self, seat: Seat[Key], text: str, then: int | None) -> None:
        """A slow viewer is passed over until its frame is gone, a dead one is dropped; nobody waits for either."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await seat.send(text)
        except Exception as error:
            logger.info("A viewer of %s did not take its frame: %r", self.group, error)
            seat.sending = None
            self._turn_away(seat, NOT_TAKEN)  # a page that still lives opens another socket
            return
        seat.sending = None
        if then is not None:
            self._turn_away(seat, then)
        elif seat.missed:
            self._poked.set()

    def _turn_away(self, seat: Seat[Key], code: int) -> None:
        farewell = asyncio.create_task(self._close(seat, code))
        _farewells.add(farewell)
        farewell.add_done_callback(_farewells.discard)
        self.leave(seat)

    async def _close(self, seat: Seat[Key], code: int) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await seat.close(code)
        except Exception:
            logger.debug("A socket was gone before it was closed")


_all_seats: set[Seat[Any]] = set()
_farewells: set[asyncio.Task[None]] = set()  # held, or the loop would forget them
_audiences: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakSet[Audience[Any]]] = WeakKeyDictionary()


def _is_cancelled() -> bool:
    """Somebody has asked this task to end. A channel layer on Redis may take that for an end of its own call alone."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def seated() -> int:
    """How many follow anything in this process: pages and programs."""
    return len(_all_seats)


def wake(group: str) -> None:
    """Whoever watches this in the running loop looks again."""
    for audience in list(_audiences.get(asyncio.get_running_loop(), ())):
        if audience.group == group and audience.seats:
            audience.wake()
