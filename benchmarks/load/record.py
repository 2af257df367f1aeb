"""What was done, how long it took, and what was wrong."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import quantiles

SHOWN = 20  # faults that are told in full


@dataclass
class Record:
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    faults: Counter[str] = field(default_factory=Counter)  # each kind of error with how often
    counts: Counter[str] = field(default_factory=Counter)  # what is no error, and worth telling
    saved: list[tuple[int, str, str]] = field(default_factory=list)  # card, field, value: answered as saved
    sent: dict[int, dict[str, int]] = field(default_factory=dict)  # batch: name of each file taken, its bytes

    def fault(self, said: str) -> None:
        self.faults[said] += 1

    @property
    def wrong(self) -> int:
        return self.faults.total()

    def figures(self, kind: str) -> tuple[int, float, float, float]:
        """How many, then the seconds of the middle one, of 95 in a hundred, of the slowest."""
        times = self.seconds[kind]
        if len(times) < 2:
            only = times[0] if times else 0.0
            return len(times), only, only, only
        cuts = quantiles(times, n=20, method="inclusive")
        return len(times), cuts[9], cuts[18], max(times)
