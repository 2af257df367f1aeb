"""All that somebody may be shown of a batch, and all that is stored: for tests of what must be nowhere."""

import asyncio
import io
import zipfile
from collections.abc import Iterator
from typing import Any

from asgiref.sync import async_to_sync
from django.db import connection
from django.urls import NoReverseMatch, get_resolver, reverse

from batches.models import Batch

KEYS = ("pk", "card_pk", "batch_id", "card_id", "filename", "task_id", "engine_id", "object_id")


def pages(batch: Batch, namespaces: tuple[str, ...] = ("", "api:", "admin:")) -> Iterator[str]:
    """Each address that can be asked for with the keys of this batch; not those that lead away from it."""
    card = batch.cards.first()
    assert card is not None
    known: dict[str, Any] = dict.fromkeys(KEYS, batch.pk) | {"card_pk": card.pk, "card_id": card.pk, "key": "author"}
    known |= {"filename": card.filename, "engine_id": batch.engine_id, "object_id": batch.engine_id, "size": "view"}
    known |= {"slug": "author", "format": "csv", "fmt": "csv", "collection": "Music", "name": "Music"}
    for namespace in namespaces:
        resolver = get_resolver() if not namespace else get_resolver().namespace_dict[namespace[:-1]][1]
        for name in {key for key in resolver.reverse_dict if isinstance(key, str)}:
            wanted = resolver.reverse_dict.getlist(name)[0][0][0][1]
            try:
                yield reverse(f"{namespace}{name}", kwargs={one: known[one] for one in wanted})
            except (KeyError, NoReverseMatch):
                continue


async def whole(response: Any) -> bytes:
    """What a streamed answer says."""
    if not response.is_async:
        return b"".join(response.streaming_content)
    async with asyncio.timeout(20):
        return b"".join(
            [chunk if isinstance(chunk, bytes) else chunk.encode() async for chunk in response.streaming_content]
        )


def content(response: Any) -> bytes:
    body = async_to_sync(whole)(response) if response.streaming else response.content
    if body[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            body += b"".join(packed.read(name) for name in packed.namelist())
    return body + str(dict(response.headers)).encode()


def dumped() -> Iterator[tuple[str, str, str]]:
    """Table, column, value of all that is stored."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                yield from ((table, column, str(value)) for column, value in zip(columns, row, strict=True))
