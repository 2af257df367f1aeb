"""How many live pages and streams one person has open: not as many as a script may care to open.

Counted in this process, and with Redis over all of them.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from django.conf import settings

from cardocr_site.shared.address import EMBEDDED

_taken: Counter[Hashable] = Counter()
_marks: defaultdict[Hashable, list[str]] = defaultdict(list)  # of those taken with Redis
_asking = ThreadPoolExecutor(1, thread_name_prefix="places")  # one after the other


@cache
def _shared() -> Any:
    if settings.REDIS_URL in EMBEDDED:
        return None
    from cardocr_site.shared.places import Places

    return Places(settings.REDIS_URL)


def full(person: Hashable) -> bool:
    """Not for an event loop: it may ask the Redis."""
    limit: int = settings.MAX_STREAMS
    if limit <= 0 or _full_here(person):
        return limit > 0
    shared = _shared()
    return shared is not None and bool(shared.number(person) >= limit)


def _full_here(person: Hashable) -> bool:
    limit: int = settings.MAX_STREAMS
    return 0 < limit <= _taken[person]


async def take(person: Hashable) -> bool:
    """False: there is none left. Whoever has taken one gives it back."""
    if _full_here(person):
        return False
    _taken[person] += 1
    shared = _shared()
    if shared is None or settings.MAX_STREAMS <= 0:
        return True
    mark = shared.mark()
    _marks[person].append(mark)
    taken = False
    try:
        asked = asyncio.get_running_loop().run_in_executor(_asking, shared.take, person, settings.MAX_STREAMS, mark)
        taken = bool(await asked)
    finally:
        if not taken:  # or whoever asked has gone meanwhile
            _release(person, mark)
    return taken


def give_back(person: Hashable) -> None:
    _release(person, _marks[person][-1] if person in _marks else "")


def _release(person: Hashable, mark: str) -> None:
    _taken[person] -= 1
    if _taken[person] <= 0:
        del _taken[person]
    if mark:
        held = _marks[person]
        if mark not in held:  # another viewer of this person gave it back in place of its own
            mark = held[-1]
        held.remove(mark)
        if not held:
            del _marks[person]
        _asking.submit(_shared().give_back, mark)
