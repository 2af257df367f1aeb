"""Bytes to the browser, as they are made. Django under ASGI reads a plain generator to its end before it sends."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.db import connections

CHUNK = 65_536
HOLD = 0.05  # seconds that small items may be collected for


class FileStream:
    """64 kB at a time, each read in a thread. Opens at once, so that a missing file is an error of the view."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await asyncio.to_thread(self._file.read, CHUNK)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def close(self) -> None:
        """Called by the response, also when nobody has read."""
        self._file.close()


def stream_file(path: Path) -> FileStream:
    return FileStream(path)


async def stream(items: Iterable[bytes]) -> AsyncIterator[bytes]:
    """What a plain iterable makes, in a thread of its own with a database connection of its own, closed at the end.

    The first item goes out alone and at once; later ones are put together to 64 kB or 50 ms.
    """
    loop, thread = asyncio.get_running_loop(), ThreadPoolExecutor(1, thread_name_prefix="stream")
    iterator: Iterator[bytes] | None = None
    try:
        iterator = await loop.run_in_executor(thread, iter, items)
        size = 1
        while chunk := await loop.run_in_executor(thread, _pull, iterator, size):
            yield chunk
            size = CHUNK
    finally:
        try:
            await asyncio.shield(loop.run_in_executor(thread, _finish, iterator))
        finally:
            thread.shutdown(wait=False)


def _pull(iterator: Iterator[bytes], size: int) -> bytes:
    """At least one item that holds something; empty at the end."""
    chunk, until = bytearray(), time.monotonic() + HOLD
    for item in iterator:
        chunk += item
        if chunk and (len(chunk) >= size or time.monotonic() > until):
            break
    return bytes(chunk)


def _finish(iterator: Iterator[bytes] | None) -> None:
    close = getattr(iterator, "close", None)
    try:
        if close is not None:
            close()
    finally:
        connections.close_all()
