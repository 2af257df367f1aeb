"""Memory and CPU of each program while it works: of processes with their children, from /proc."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.common import resident

EVERY = 2.0  # seconds
TICKS = os.sysconf("SC_CLK_TCK")
Families = Callable[[], dict[str, list[int]]]  # each program with its processes, as they are just now


@dataclass
class Weight:
    """MB by time, and CPU seconds in all."""

    memory: list[tuple[float, float]] = field(default_factory=list)
    cpu: float = 0.0

    def at(self, share: float) -> float:
        """MB when this share of the time had passed."""
        return self.memory[min(len(self.memory) - 1, int(share * len(self.memory)))][1]

    @property
    def most(self) -> float:
        return max(size for _at, size in self.memory)


class Scales:
    def __init__(self, families: Families) -> None:
        self._families = families
        self._spent: dict[tuple[str, int], tuple[float, float]] = {}  # CPU of a process when first and last seen
        self.weights: dict[str, Weight] = {}
        self.loads: list[float] = []

    async def weigh(self) -> None:
        began = time.monotonic()
        while True:
            self.look(time.monotonic() - began)
            await asyncio.sleep(EVERY)

    def look(self, at: float) -> None:
        self.loads.append(os.getloadavg()[0])
        for name, pids in self._families().items():
            weight = self.weights.setdefault(name, Weight())
            size = 0.0
            for pid in pids:
                try:
                    size += own_memory(pid)
                    spent = cpu_seconds(pid)
                except OSError:  # it has ended
                    continue
                first, _last = self._spent.get((name, pid), (spent, spent))
                self._spent[name, pid] = (first, spent)
            weight.memory.append((at, size))
            weight.cpu = sum(last - first for (of, _pid), (first, last) in self._spent.items() if of == name)


def own_memory(pid: int) -> float:
    """MB of a process; what several share is parted among them, so that the sum is true."""
    try:
        rolled = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except PermissionError:
        return resident(pid)
    return next((int(line.split()[1]) / 1000 for line in rolled.splitlines() if line.startswith("Pss:")), 0.0)


def cpu_seconds(pid: int) -> float:
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(used[11]) + int(used[12])) / TICKS


def descendants(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    except OSError:  # gone meanwhile
        pass
    return found


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
