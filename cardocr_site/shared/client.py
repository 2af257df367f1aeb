"""The one pool of connections by which a process asks the Redis, and waits for no answer longer than a page may."""

from functools import cache
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cardocr_site.shared.address import QUICK


def options() -> dict[str, Any]:
    """Tried once more, at once: a restarted server has forgotten the connections of before. One that hangs is not."""
    return {"retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)), **QUICK}


@cache
def client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, **options())
