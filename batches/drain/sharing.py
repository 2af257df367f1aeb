"""Who may have how many calls in flight: plain arithmetic, without threads and without the database."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker could use; `awaited` of it are calls that a person sits and waits for."""

    worker: int
    wanted: int
    awaited: int = 0


def share_out(wishes: Iterable[Wish], limit: int, turn: int) -> dict[int, int]:
    """What each worker shall have, `limit` in sum at most.

    Who wants little gets it, the others as much as each other; what is left over is spread among all, so that who
    wants more in a moment has it at once. With more workers than calls they take turns, those first that a person
    waits for.
    """
    asking = sorted((wish for wish in wishes if wish.wanted > 0), key=lambda wish: wish.worker)
    if not asking:
        return {}
    if len(asking) > limit:
        start = turn % len(asking)
        order = sorted(asking[start:] + asking[:start], key=lambda wish: not wish.awaited)
        return {wish.worker: int(place < limit) for place, wish in enumerate(order)}
    shares: dict[int, int] = {}
    left = limit
    for place, wish in enumerate(sorted(asking, key=lambda wish: wish.wanted)):
        shares[wish.worker] = min(wish.wanted, left // (len(asking) - place))
        left -= shares[wish.worker]
    each, more = divmod(left, len(asking))
    return {wish.worker: shares[wish.worker] + each + (place < more) for place, wish in enumerate(asking)}
