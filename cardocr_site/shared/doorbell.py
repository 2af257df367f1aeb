"""Huey on Redis. Its tasks are doorbells alone: one that is lost costs seconds, so nothing here raises for a Redis."""

import time
from typing import Any

import redis
from huey import RedisHuey
from huey.storage import RedisStorage

from cardocr_site.shared.client import client
from cardocr_site.shared.outage import asked, outage

REST = 0.5  # seconds between two tries of a consumer


class Storage(RedisStorage):
    def __init__(self, name: str = "huey", url: str = "", **options: Any) -> None:
        super().__init__(name, connection_pool=client(url).connection_pool, **options)

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        asked(lambda: self.conn.lpush(self.queue_key, data), lambda: None)

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
