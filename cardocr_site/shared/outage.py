"""A Redis that is gone: told once, and left alone for a few seconds, so that nobody waits for it at each step."""

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

QUIET = 5.0  # seconds until it is asked again
AGAIN = 60.0  # seconds until it is told again


class Outage:
    """Of the one Redis of this process, whatever it is asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0  # while it is gone: when it is asked again
        self._told_at: float | None = None
        self._is_told = False

    @property
    def is_on(self) -> bool:
        return time.monotonic() < self._until

    def spares(self) -> bool:
        """Whether it is not to be asked now. While it is gone one alone asks, and the others do not wait for that."""
        if not self._until:
            return False
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return True
            self._until = now + QUIET
        return False

    def failed(self, error: Exception) -> None:
        now = time.monotonic()
        with self._lock:
            self._until = now + QUIET
            if self._told_at is not None and now < self._told_at + AGAIN:
                return
            self._told_at, self._is_told = now, True
        log.warning(
            "The Redis of REDIS_URL does not answer: pages are told of changes later, and limits count in each "
            "process. Nothing is lost, and it is asked again every few seconds. %s: %s",
            type(error).__name__,
            error,
        )

    def over(self) -> None:
        """It answered."""
        if not self._until:
            return
        with self._lock:
            told, self._is_told, self._until = self._is_told, False, 0.0
        if told:
            log.warning("The Redis of REDIS_URL answers again.")


outage = Outage()


def asked(what: Callable[[], T], instead: Callable[[], T]) -> T:
    """What the Redis answers; `instead` while it is gone."""
    import redis

    if outage.spares():
        return instead()
    try:
        answer = what()
    except redis.RedisError as error:
        outage.failed(error)
        return instead()
    except ValueError:  # Django's, of a key that is not there
        outage.over()
        raise
    outage.over()
    return answer
