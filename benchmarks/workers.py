"""Two workers drain one batch against one that does, on PostgreSQL: `python -m benchmarks.workers [--cards 960]`.

Each is a consumer process of its own with 16 threads. Goals: 0.55 of the time, no card is asked for twice, and a small
batch behind a large one takes at most twice its time alone.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import common
from benchmarks.load import site
from tests.site.processes import ROOT
from tests.waiting import until

THREADS, WARM, LATENCY = 16, 64, 1.0
SMALL, LARGE = 320, 1600


@contextmanager
def working(workers: int) -> Iterator[None]:
    from batches.models import Worker

    processes = [subprocess.Popen([sys.executable, "manage.py", "run_huey"], cwd=ROOT) for _ in range(workers)]
    try:
        until(lambda: Worker.objects.count() == workers, 60, every=0.2)
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(60)


def seconds(batch: Any) -> float:
    """From its start to its last card, by the rows."""
    common.started(batch)
    until(lambda: common.over(batch), 600, every=0.2)
    batch.refresh_from_db()
    assert batch.completed == batch.total, f"{batch.failed} failed"
    return float((batch.finished_at - batch.started_at).total_seconds())


def drained(workers: int, cards: int, url: str, picture: bytes) -> float:
    warm, measured = (common.draft(number, url, workers * THREADS, picture) for number in (WARM, cards))
    with working(workers):
        seconds(warm)
        common.calls(url, reset=True)
        took = seconds(measured)
    counted = common.calls(url, reset=True)
    assert counted["total"] == cards, f"{counted['total']} calls for {cards} cards"
    print(f"{workers} worker(s): {cards} cards of {LATENCY} s in {took:.1f} s, {counted['repeated']} asked for twice")
    return took


def behind(url: str, picture: bytes) -> float:
    """How many times as long as alone a small batch takes behind a large one, both read by two workers."""
    warm, alone, small = (common.draft(number, url, 2 * THREADS, picture) for number in (WARM, SMALL, SMALL))
    large = common.draft(LARGE, url, 2 * THREADS, picture)
    with working(2):
        seconds(warm)
        by_itself = seconds(alone)
        common.started(large)
        until(lambda: common.calls(url)["total"] > WARM + SMALL + 4 * THREADS, 60, every=0.2)
        together = seconds(small)
        large.refresh_from_db()
    assert 0 < large.completed < large.total, "the large one was being read all the while"
    print(f"two workers: {SMALL} cards in {by_itself:.1f} s alone, in {together:.1f} s behind {LARGE}")
    return together / by_itself


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=960)
    cards = parser.parse_args().cards
    picture = common.scan(0, (60, 40))
    with site.database() as address:
        os.environ |= {"DATABASE_URL": address, "CARDOCR_THREADS": str(THREADS)}
        with common.application(), common.endpoint(LATENCY) as url:
            one, two = drained(1, cards, url, picture), drained(2, cards, url, picture)
            print(f"two workers take {two / one:.3f} of the time of one (goal 0.55)")
            print(f"behind a large batch a small one takes {behind(url, picture):.2f} x its time (goal 2)")


if __name__ == "__main__":
    main()
