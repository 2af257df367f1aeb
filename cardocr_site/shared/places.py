"""Of what somebody may have only so many, counted over all processes. Those of a process that died are free soon."""

import threading
import uuid
from collections.abc import Hashable

from cardocr_site.shared.address import NAME
from cardocr_site.shared.client import client
from cardocr_site.shared.outage import asked

HOLDS = 60  # seconds that a place is kept without a word of whoever has it
RENEWED_EVERY = 20.0
# The server's time: clocks of machines differ.
_TAKE = """
local now = tonumber(redis.call('TIME')[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1
"""


class Places:
    """While the Redis is gone there is always one; each process still counts its own."""

    def __init__(self, url: str) -> None:
        self._client = client(url)
        self._held: dict[str, str] = {}  # mark: key
        self._lock = threading.Lock()
        self._renewing: threading.Thread | None = None

    @staticmethod
    def mark() -> str:
        return uuid.uuid4().hex

    def take(self, who: Hashable, limit: int, mark: str) -> bool:
        """False: there is none left. A place that was not taken may be given back, too."""
        key = self._key(who)
        if asked(lambda: self._client.eval(_TAKE, 1, key, limit, HOLDS, mark), lambda: 1) == 0:
            return False
        with self._lock:
            self._held[mark] = key
            if self._renewing is None:
                self._renewing = threading.Thread(target=self._renew_always, name="places", daemon=True)
                self._renewing.start()
        return True

    def give_back(self, mark: str) -> None:
        with self._lock:
            key = self._held.pop(mark, None)
        if key is not None:
            asked(lambda: self._client.zrem(key, mark), lambda: None)

    def number(self, who: Hashable) -> int:
        key = self._key(who)
        return int(asked(lambda: self._client.zcount(key, self._client.time()[0] + 1, "+inf"), lambda: 0))

    def renew(self) -> None:
        """Those that were lost are there again, as after FLUSHALL."""
        with self._lock:
            held = dict(self._held)
        if held:
            asked(lambda: self._write(held), lambda: None)

    def _write(self, held: dict[str, str]) -> None:
        until = self._client.time()[0] + HOLDS
        with self._client.pipeline(transaction=False) as pipe:
            for mark, key in held.items():
                pipe.zadd(key, {mark: until})
                pipe.expire(key, HOLDS)
            pipe.execute()

    def _renew_always(self) -> None:
        while not threading.Event().wait(RENEWED_EVERY):
            self.renew()

    @staticmethod
    def _key(who: Hashable) -> str:
        return f"{NAME}:places:{who}"
