"""When an endpoint is down, and when it is asked again. No threads and no database: Engines holds the lock."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

IN_A_ROW = 5  # different cards, without an answer between them
PATIENCE = 7200.0  # seconds that a card is spared of which nobody can say whether it or the endpoint is to blame


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that the endpoint, or the way to it, failed."""

    card: int
    begun: float
    last: bool = False  # the card fails for good if it is charged
    no_connection: bool = False  # refused, or no such host: never the card's fault
    loading: bool = False  # too late, from a server that has not answered with this model yet
    broken: bool = False  # the connection broke: perhaps the card, perhaps the whole server


class Breaker:
    """Opens by five different cards in a row, by one that found nobody, or by one that would fail without proof.

    Proof is an answer to any card since this card's first failure: the endpoint works, but not for this card.
    """

    def __init__(self, first: float = 5.0, longest: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = first
        self._longest = longest
        self._clock = clock
        self._row: set[int] = set()
        self._failing: dict[int, float] = {}  # card: when its first failing call began
        self._spared: set[int] = set()
        self._charged: Counter[int] = Counter()  # card: tries, in this row
        self._owed: Counter[int] = Counter()
        self._answered_at: float | None = None
        self._opened_at: float | None = None
        self._proven = False
        self._probe_at = 0.0
        self._delay = first

    @property
    def is_open(self) -> bool:
        return self._opened_at is not None

    @property
    def holds(self) -> bool:
        """No call may start, not even a probe."""
        return self.is_open and self._clock() < self._probe_at

    @property
    def probe_in(self) -> float:
        """Seconds until one card may be read as a probe."""
        return max(0.0, self._probe_at - self._clock()) if self.is_open else 0.0

    @property
    def due_at(self) -> float | None:
        """When it is asked again; None: it is thought to answer."""
        return self._probe_at if self.is_open else None

    @property
    def has_answered(self) -> bool:
        return self._answered_at is not None

    @property
    def delay(self) -> float:
        return self._delay

    def answered(self, card: int) -> bool:
        """The endpoint works. True: it was thought to be down."""
        closed, self._opened_at = self.is_open, None
        self._answered_at = self._clock()
        self._row.clear()
        self._charged.clear()
        self._failing.pop(card, None)
        self._spared.discard(card)
        return closed

    def failed(self, failure: Failure) -> bool:
        """True: the card is charged with it. The first calls of an outage may be; `owed` gives them back."""
        if self.is_open:
            return self._failed_again(failure)
        charged = self._failed_first(failure)
        self._charged[failure.card] += charged
        if self.is_open:
            self._owed, self._charged = +self._charged, Counter()
        return charged

    def owed(self) -> dict[int, int]:
        """The tries that cards were charged with before it was known that the endpoint is down; told once."""
        owed, self._owed = self._owed, Counter()
        return dict(owed)

    def _failed_first(self, failure: Failure) -> bool:
        self._row.add(failure.card)
        first = self._failing.setdefault(failure.card, failure.begun)
        if failure.no_connection or (failure.loading and not self._answered_since(failure.begun)):
            if not self._answered_since(failure.begun):
                self._open()
            return False
        if len(self._row) >= IN_A_ROW or (failure.last and not self._answered_since(first)):
            self._open()
            return False
        if failure.last and (failure.broken or len(self._row) > 1) and failure.card not in self._spared:
            self._spared.add(failure.card)  # once more: the others may be about to say that it is not this card
            return False
        return True

    def adopt(self, seconds: float) -> None:
        """Another process, or this one before its restart, found it down; ask in so many seconds."""
        if not self.is_open:
            self._open()
            self._probe_at = self._clock() + seconds

    def follow(self, seconds: float | None, delay: float = 0.0) -> None:
        """What all workers know: it answers, or is asked again in so many seconds."""
        if seconds is None:
            if self.is_open:
                self._opened_at = None
                self._row.clear()
                self._charged.clear()
            return
        self.adopt(seconds)
        self._probe_at, self._delay = self._clock() + seconds, delay or self._delay

    def try_now(self) -> None:
        """A person wants it: do not wait for the next probe."""
        self._probe_at = min(self._probe_at, self._clock())

    def _answered_since(self, when: float) -> bool:
        return self._answered_at is not None and self._answered_at >= when

    def _failed_again(self, failure: Failure) -> bool:
        if failure.begun < self._probe_at:
            return False  # it was under way when the breaker opened
        self._row.add(failure.card)
        self._proven = self._proven or failure.no_connection or len(self._row) >= IN_A_ROW
        self._delay = min(2 * self._delay, self._longest)
        self._probe_at = self._clock() + self._delay
        waited = self._clock() - (self._opened_at or 0.0) > PATIENCE
        return waited and not self._proven and not failure.no_connection

    def _open(self) -> None:
        self._opened_at = self._clock()
        self._delay = min(self._first, self._longest)
        self._probe_at = self._opened_at + self._delay
        self._proven = len(self._row) >= IN_A_ROW
        self._failing.clear()
        self._spared.clear()
