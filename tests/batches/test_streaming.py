import asyncio
import threading
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from batches.models import Batch
from batches.streaming import CHUNK, stream, stream_file


def collected(chunks: AsyncIterator[bytes]) -> list[bytes]:
    async def scenario() -> list[bytes]:
        return [chunk async for chunk in chunks]

    return async_to_sync(scenario)()


def test_a_file_comes_in_chunks_and_is_closed(tmp_path: Path):
    path = tmp_path / "scan"
    data = bytes(range(256)) * 1000
    path.write_bytes(data)
    chunks = stream_file(path)
    parts = collected(chunks)
    assert b"".join(parts) == data
    assert max(map(len, parts)) <= CHUNK
    chunks.close()
    with pytest.raises(FileNotFoundError):
        stream_file(tmp_path / "gone")


def test_the_first_item_arrives_before_the_last_is_made():
    seen = threading.Event()

    def rows() -> Iterator[bytes]:
        yield b"first"
        assert seen.wait(10), "the first item was held back"
        yield b"last"

    async def scenario() -> list[bytes]:
        chunks = []
        async for chunk in stream(rows()):
            chunks.append(chunk)
            seen.set()
        return chunks

    assert async_to_sync(scenario)() == [b"first", b"last"]


def test_small_items_are_put_together():
    parts = collected(stream(b"row\n" for _ in range(100_000)))
    assert b"".join(parts) == b"row\n" * 100_000
    assert len(parts) < 100


def test_empty_items_do_not_end_it():
    assert b"".join(collected(stream([b"", b"a", b"", b"", b"b", b""]))) == b"ab"
    assert collected(stream([])) == []


def test_memory_stays_flat():
    async def scenario() -> int:
        tracemalloc.start()
        async for _chunk in stream(b"x" * 10_000 for _ in range(5000)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert async_to_sync(scenario)() < 2_000_000  # of fifty


def test_all_items_are_made_in_one_thread_that_is_not_the_loops():
    threads = set()

    def rows() -> Iterator[bytes]:
        try:
            for _ in range(3):
                threads.add(threading.get_ident())
                yield b"x" * CHUNK
        finally:
            threads.add(threading.get_ident())

    collected(stream(rows()))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_whoever_goes_away_ends_the_work():
    closed, loops = threading.Event(), []

    def rows() -> Iterator[bytes]:
        try:
            while True:
                loops.append(1)
                yield b"x" * CHUNK
        finally:
            closed.set()

    async def scenario() -> None:
        async def read() -> None:
            async for _ in stream(rows()):
                await asyncio.sleep(0)

        task = asyncio.create_task(read())
        while len(loops) < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(closed.wait, 10)

    async_to_sync(scenario)()


def test_an_error_reaches_the_reader():
    def rows() -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError("broken")

    async def scenario() -> None:
        chunks = stream(rows())
        assert await anext(chunks) == b"one"
        with pytest.raises(RuntimeError, match="broken"):
            await anext(chunks)

    async_to_sync(scenario)()


@pytest.mark.django_db(transaction=True)
def test_the_database_is_read_on_a_connection_that_is_closed_at_the_end(batch: Batch):
    used: list[BaseDatabaseWrapper] = []

    def rows() -> Iterator[bytes]:
        used.append(connections["default"])
        for found in Batch.objects.iterator():
            assert used[0].connection is not None
            yield found.name.encode()

    assert collected(stream(rows())) == [b"Drawer 12"]
    assert used[0] is not connections["default"]
    assert used[0].connection is None
