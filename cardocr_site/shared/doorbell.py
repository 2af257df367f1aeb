"""Huey on Redis. Its tasks are doorbells alone: one that is lost costs seconds, so nothing here raises for a Redis."""

import time
from typing import Any

import redis
from huey import RedisHuey
from huey.storage import RedisStorage

from cardocr_site.shared.client import client
from cardocr_site.shared.outage import asked, outage

REST = 0.5  # seconds between two tries of a consumer
AT_MOST = 10_000  # that wait: where no consumer runs for weeks, the first ones tell no more than the last


class Storage(RedisStorage):
    def __init__(self, name: str = "huey", url: str = "", **options: Any) -> None:
        super().__init__(name, connection_pool=client(url).connection_pool, **options)

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        asked(lambda: self._ring(data), lambda: None)

    def _ring(self, data: bytes) -> None:
        with self.conn.pipeline() as pipe:
            pipe.lpush(self.queue_key, data)
            pipe.ltrim(self.queue_key, 0, AT_MOST - 1)
            pipe.execute()

    def dequeue(self) -> Any:
        try:
            data = super().dequeue()
        except redis.RedisError as error:
            outage.failed(error)
            time.sleep(REST)
            return None
        return data

    def read_schedule(self, ts: Any) -> Any:
        """No task of ours is for later."""
        return []


class Doorbell(RedisHuey):
    storage_class = Storage
