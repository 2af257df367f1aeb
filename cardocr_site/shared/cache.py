"""A cache in Redis; while that is gone, in the memory of the process."""

import hashlib
import hmac
import logging
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

from cardocr_site.shared.client import options
from cardocr_site.shared.outage import asked

log = logging.getLogger(__name__)

T = TypeVar("T")
SIGNATURE = 32  # bytes


class Signed:
    """Pickles that this site has written, and no other: whoever may write to the Redis runs nothing here."""

    def __init__(self) -> None:
        self._key = hashlib.sha256(b"cardocr cache" + settings.SECRET_KEY.encode()).digest()

    def dumps(self, value: Any) -> int | bytes:
        if type(value) is int:
            return value  # which Redis can count
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        return self._signature(data) + data

    def loads(self, kept: bytes) -> Any:
        try:
            return int(kept)
        except ValueError:
            signature, data = kept[:SIGNATURE], kept[SIGNATURE:]
        if hmac.compare_digest(signature, self._signature(data)):
            return pickle.loads(data)  # noqa: S301  (signed)
        log.warning("What lies in the Redis of REDIS_URL was not written with this secret key; it is passed over.")
        return None

    def _signature(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha256")


@cache
def _shared(server: str, prefix: str) -> RedisCache:
    """One for all threads: Django makes a cache for each request, and would connect anew each time."""
    return RedisCache([server], {"KEY_PREFIX": prefix, "OPTIONS": {"serializer": Signed, **options()}})


class SharedCache(BaseCache):
    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._shared = _shared(server, params["KEY_PREFIX"])
        self._own = LocMemCache(params["KEY_PREFIX"], params)

    def _ask(self, what: Callable[[BaseCache], T]) -> T:
        return asked(lambda: what(self._shared), lambda: what(self._own))

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._ask(lambda one: one.add(key, value, timeout, version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._ask(lambda one: one.get(key, default, version))

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._ask(lambda one: one.set(key, value, timeout, version))

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._ask(lambda one: one.touch(key, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return self._ask(lambda one: one.delete(key, version))

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return self._ask(lambda one: one.has_key(key, version))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return self._ask(lambda one: one.incr(key, delta, version))

    def clear(self) -> None:
        """What is ours: queue and counts of others may lie in the same database."""
        self._own.clear()
        self._ask(lambda one: self._clear_shared() if one is self._shared else None)

    def _clear_shared(self) -> None:
        client = self._shared._cache.get_client(None, write=True)
        for key in client.scan_iter(match=f"{self.key_prefix}:*", count=1000):
            client.delete(key)
