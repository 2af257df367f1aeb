"""The one sender on the channel layer. A message carries ids only; what to draw is read from the database."""

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

LIST_GROUP = "batches"


def group(batch_id: int) -> str:
    return f"batch.{batch_id}"


async def poke(batch_id: int) -> None:
    """Tell the viewers that the batch changed. A lost poke costs time, never data."""
    await get_channel_layer().group_send(group(batch_id), {"type": "batch.changed"})


async def poke_list() -> None:
    """Tell those who look at the list of batches that one of them may have changed."""
    await get_channel_layer().group_send(LIST_GROUP, {"type": "batches.changed"})


def changed(batch_id: int) -> None:
    """After a commit. Embedded, the watcher sees the commit by itself; with Redis this sends the poke."""
    layer = get_channel_layer()
    if layer is None or type(layer).__name__ == "InMemoryChannelLayer":
        return
    async_to_sync(poke)(batch_id)
    async_to_sync(poke_list)()
