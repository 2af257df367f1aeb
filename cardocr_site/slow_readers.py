"""Who reads slowly is sent to slowly. Daphne would keep in memory whatever a client has not taken: a whole export."""

import asyncio
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

TAKEN_WITHIN = 60.0  # seconds, for the 64 kB that Twisted holds and the last piece; who takes nothing is cut off


class Pace:
    """What Twisted tells of one connection: that its buffer is full, and that it is empty again."""

    def __init__(self) -> None:
        self._free = asyncio.Event()
        self._free.set()

    def pauseProducing(self) -> None:
        self._free.clear()

    def resumeProducing(self) -> None:
        self._free.set()

    stopProducing = resumeProducing  # the connection is gone: nobody shall wait for it

    async def taken(self) -> bool:
        try:
            async with asyncio.timeout(TAKEN_WITHIN):
                await self._free.wait()
        except TimeoutError:
            return False
        return True


class Paces:
    """Of all connections by which something comes in more than one piece."""

    def __init__(self) -> None:
        self._paces: WeakKeyDictionary[Any, Pace] = WeakKeyDictionary()

    def before(self, protocol: Any, message: Mapping[str, Any]) -> Pace | None:
        """None where nothing has to be waited for after this message."""
        if message["type"] == "http.response.body" and message.get("more_body"):
            return self._paces.get(protocol) or self._watch(protocol, protocol)
        if message["type"] == "websocket.send":
            return self._paces.get(protocol) or self._watch(protocol, protocol.transport)
        return None

    def _watch(self, protocol: Any, consumer: Any) -> Pace:
        pace = self._paces[protocol] = Pace()
        consumer.unregisterProducer()  # of a WebSocket: the HTTP channel that it once was
        consumer.registerProducer(pace, True)
        return pace


def cut_off(protocol: Any) -> None:
    """Without waiting for what is still to be sent."""
    if protocol.transport is not None:
        protocol.transport.abortConnection()
