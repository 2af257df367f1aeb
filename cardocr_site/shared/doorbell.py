"""Huey on Redis. Its tasks are doorbells alone: one that is lost costs seconds, so nothing here raises for a Redis."""

import time
from typing import Any

import redis
from huey import RedisHuey
from huey.storage import RedisStorage
from redis.backoff import NoBackoff
from redis.retry import Retry

from cardocr_site.shared.address import QUICK
from cardocr_site.shared.outage import outage

REST = 0.5  # seconds between two tries of a consumer


class Storage(RedisStorage):
    def __init__(self, name: str = "huey", url: str = "", **options: Any) -> None:
        # Once more, at once: a connection that a restarted server has forgotten.
        pool = redis.ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 1), socket_keepalive=True, **QUICK)
        super().__init__(name, connection_pool=pool, **options)

    def enqueue(self, data: bytes, priority: int | None = None) -> None:
        if outage.is_on:
            return
        try:
            super().enqueue(data, priority)
        except redis.RedisError as error:
            outage.failed(error)
        else:
            outage.over()

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
