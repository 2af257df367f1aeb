"""Two workers drain one batch against one that does, on PostgreSQL: `python -m benchmarks.workers [--cards 960]`.

Each is a consumer process of its own with 16 threads. Goal: 0.55 of the time, and no card is asked for twice.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks import common
from benchmarks.load import site
from tests.site.processes import ROOT
from tests.waiting import until

THREADS, WARM, LATENCY = 16, 64, 1.0


@contextmanager
def worker() -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "manage.py", "run_huey"], cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def seconds(batch: Any) -> float:
    """From its start to its last card, by the rows."""
    common.started(batch)
    until(lambda: common.over(batch), 600, every=0.2)
    batch.refresh_from_db()
    assert batch.completed == batch.total, f"{batch.failed} failed"
    return float((batch.finished_at - batch.started_at).total_seconds())


def drained(workers: int, cards: int, url: str, picture: bytes) -> float:
    from batches.models import Worker

    warm, measured = (common.draft(number, url, workers * THREADS, picture) for number in (WARM, cards))
    with ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(worker())
        until(lambda: Worker.objects.count() == workers, 60, every=0.2)
        seconds(warm)
        common.calls(url, reset=True)
        took = seconds(measured)
    counted = common.calls(url, reset=True)
    assert counted["total"] == cards, f"{counted['total']} calls for {cards} cards"
    print(f"{workers} worker(s): {cards} cards of {LATENCY} s in {took:.1f} s, {counted['repeated']} asked for twice")
    return took


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


if __name__ == "__main__":
    main()
