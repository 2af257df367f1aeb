"""How calls flow from this process to one engine. No threads and no database: Engines holds the lock."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from batches.drain.breaker import Breaker
from ocr.engines.base import EngineAdapter

WISHED_WITHIN = 5.0  # seconds; who wants to probe says so with each look


@dataclass(slots=True)
class Climb:
    """Calls at a time: one more for each answer until a limit was met, then for each round of answers; halved by it."""

    calls: int
    climbing: bool = True
    answers: int = 0  # since it was changed

    def answered(self, most: int, times: int = 1) -> None:
        for _ in range(times):
            if self.calls >= most:
                return
            self.answers += 1
            if self.climbing or self.answers >= self.calls:
                self.calls, self.answers = self.calls + 1, 0

    def halve(self, most: int) -> None:
        self.calls, self.climbing, self.answers = max(1, min(self.calls, most) // 2), False, 0

    def begin(self, calls: int) -> None:
        self.calls, self.climbing, self.answers = calls, True, 0


@dataclass(slots=True)
class News:
    """What this process has learnt since the shares were settled."""

    answers: int = 0
    met_limit: bool = False
    begun_with: int | None = None
    outage: bool = False  # the breaker was opened, closed, or is to be asked at another time

    def __bool__(self) -> bool:
        return self.met_limit or self.outage or self.begun_with is not None

    def and_then(self, later: "News") -> "News":
        if later.begun_with is not None:
            return News(later.answers, later.met_limit, later.begun_with, self.outage or later.outage)
        met = self.met_limit or later.met_limit
        return News(self.answers + later.answers, met, self.begun_with, self.outage or later.outage)


@dataclass(slots=True)
class Flow:
    breaker: Breaker
    climb: Climb
    is_shared: bool = False  # with other workers; without them all of it is this process's
    share: int = 0
    meant: int = 0  # less than that where some is to be given back, as calls in flight end
    may_probe: bool = False
    is_alone: bool = False  # nobody else wanted any when it was settled: what is learnt here counts
    turn: int | None = None  # of the pace, as it was settled last
    settled_at: float = 0.0
    news: News = field(default_factory=News)
    wanted: int = 0  # for cards of batches, those in flight included
    wished_at: float = -WISHED_WITHIN  # to probe
    in_flight: int = 0
    awaited: int = 0  # calls that a person sits and waits for: the next free places are theirs
    probes: int = 0
    rest_until: float = 0.0
    told_until: datetime | None = None  # the rest that is known to the other processes, or from them
    limited: int = 0
    lowered_at: float = 0.0
    version: datetime | None = None  # of the engine, as it was last called
    # Of whose key (None: the engine's own): what the endpoint said of it.
    refusals: dict[Any, str] = field(default_factory=dict)
    refused: dict[Any, datetime] = field(default_factory=dict)  # the version of engine and key that it said this of
    warm: set[str] = field(default_factory=set)  # models that have answered
    is_tested: bool = False
    is_quiet: bool = False  # while it is tested: no other worker has a share of it
    retired: list[EngineAdapter] = field(default_factory=list)  # closed when no call can be using them any more

    def places(self, most: int) -> int:
        """How many more calls may start now."""
        if self.is_tested or self.breaker.holds or time.monotonic() < self.rest_until:
            return 0
        most = min(most, self.share) if self.is_shared else most
        if not self.breaker.is_open:
            most = min(most, self.meant) if self.is_shared else most
            return max(0, min(self.climb.calls, most) - self.in_flight)
        if self.is_shared and not self.may_probe:
            return 0
        return max(0, min(1 - self.probes, most - self.in_flight))

    def enter(self) -> bool:
        """A call begins; True: as a probe."""
        probe = self.breaker.is_open
        self.in_flight += 1
        self.probes += probe
        return probe

    def leave(self, *, probe: bool) -> None:
        self.in_flight -= 1
        self.probes -= probe

    # -- what is shared

    @property
    def gives_back(self) -> bool:
        """Others may have what has just become free."""
        return self.is_shared and max(self.meant, self.in_flight) < self.share

    @property
    def wants(self) -> int:
        """Calls at a time that there is work for here."""
        wishes = time.monotonic() < self.wished_at + WISHED_WITHIN
        return max(self.awaited + max(self.wanted, self.in_flight), int(wishes))

    @property
    def is_in_use(self) -> bool:
        return bool(self.share or self.wants or self.is_tested or self.news)

    def answered(self, most: int) -> None:
        if self.is_shared and not self.is_alone:
            self.news.answers += 1  # it is raised for all when the shares are settled
        else:
            self.climb.answered(most)

    def meet_limit(self, most: int) -> None:
        self.limited += 1
        self.climb.halve(most)
        self.lowered_at = time.monotonic()
        self.news.met_limit, self.news.answers = True, 0

    def begin(self, calls: int) -> None:
        self.climb.begin(calls)
        self.news.begun_with, self.news.met_limit, self.news.answers = calls, False, 0
