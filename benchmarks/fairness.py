"""A small batch behind one of 10,000, against the same alone: `python -m benchmarks.fairness [--cards 10000]`."""

import argparse
import time
from typing import Any

from benchmarks import common

WORKERS, SMALL, LATENCY = 16, 160, 0.5


def seconds(batch: Any, service: Any) -> float:
    """From the start to its last card."""
    began = time.monotonic()
    common.started(batch)
    service.wake(batch.pk)
    while not common.over(batch):
        time.sleep(0.02)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=10_000)
    arguments = parser.parse_args()
    picture = common.scan(0, (60, 40))
    with common.application(), common.endpoint(LATENCY) as url:
        from batches.drain.service import Service

        warm, alone, behind = (common.draft(SMALL, url, WORKERS, picture) for _ in range(3))
        huge = common.draft(arguments.cards, url, WORKERS, picture)
        service = Service(threads=WORKERS)
        seconds(warm, service)
        by_itself = seconds(alone, service)
        common.started(huge)
        service.wake(huge.pk)
        time.sleep(5)
        together = seconds(behind, service)
        huge.refresh_from_db()
        service.stop()
        assert 0 < huge.completed < huge.total, "the huge one was being read all the while"
        print(
            f"{SMALL} cards of {LATENCY} s: {by_itself:.1f} s alone, {together:.1f} s behind {arguments.cards:,}:"
            f" {together / by_itself:.2f} x (goal 2)"
        )


if __name__ == "__main__":
    main()
