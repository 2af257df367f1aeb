"""The one pool of connections by which a process asks the Redis, and waits for no answer longer than a page may."""

from functools import cache

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cardocr_site.shared.address import QUICK


@cache
def client(url: str) -> redis.Redis:
    # Tried once more, at once: a restarted server has forgotten the connections of before.
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 1), socket_keepalive=True, **QUICK)
