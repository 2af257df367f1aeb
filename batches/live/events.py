"""The one sender on the channel layer. A message carries ids only; what to draw is read from the database."""

import asyncio
import threading
import time

from channels.layers import InMemoryChannelLayer, get_channel_layer

from cardocr_site.shared.outage import outage

LIST_GROUP = "batches"
EVERY = 0.05  # seconds; a viewer is shown something at most four times in one
AFTER_AN_ERROR = 1.0


def group(batch_id: int) -> str:
    return f"batch.{batch_id}"


async def poke(batch_id: int) -> None:
    """Tell the viewers that the batch changed. A lost poke costs time, never data."""
    await get_channel_layer().group_send(group(batch_id), {"type": "batch.changed"})


async def poke_list() -> None:
    """Tell those who look at the list of batches that one of them may have changed."""
    await get_channel_layer().group_send(LIST_GROUP, {"type": "batches.changed"})


def changed(batch_id: int) -> None:
    """After a commit. Embedded, the watcher sees the commit by itself; with Redis this has the poke sent."""
    if across():
        _sender.send(batch_id)


def across() -> bool:
    """Whether pokes reach other processes."""
    return not isinstance(get_channel_layer(), InMemoryChannelLayer)


class Sender:
    """One thread with the one loop in which a process sends its pokes: a loop for each would connect anew each time.

    Nobody waits for it. What changes again while it sends is sent once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[int] = set()
        self._some = threading.Event()
        self._thread: threading.Thread | None = None

    def send(self, batch_id: int) -> None:
        with self._lock:
            self._waiting.add(batch_id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pokes", daemon=True)
                self._thread.start()
        self._some.set()

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            while True:
                self._some.wait()
                self._some.clear()
                with self._lock:
                    batch_ids, self._waiting = self._waiting, set()
                try:
                    runner.run(_send(batch_ids))
                except Exception as error:  # lost: the watcher of each web process looks every few seconds
                    outage.failed(error)
                    time.sleep(AFTER_AN_ERROR)
                else:
                    outage.over()
                time.sleep(EVERY)


async def _send(batch_ids: set[int]) -> None:
    for batch_id in batch_ids:
        await poke(batch_id)
    await poke_list()


_sender = Sender()
