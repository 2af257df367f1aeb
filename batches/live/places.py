"""How many live pages and streams one person has open in this process: not as many as a script may care to open."""

from collections import Counter
from collections.abc import Hashable

from django.conf import settings

_taken: Counter[Hashable] = Counter()


def full(person: Hashable) -> bool:
    limit: int = settings.MAX_STREAMS
    return 0 < limit <= _taken[person]


def take(person: Hashable) -> bool:
    """False: there is none left. Whoever has taken one gives it back."""
    if full(person):
        return False
    _taken[person] += 1
    return True


def give_back(person: Hashable) -> None:
    _taken[person] -= 1
    if _taken[person] <= 0:
        del _taken[person]
