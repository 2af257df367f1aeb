"""Readings saved by the collector in groups, against a transaction for each: `python -m benchmarks.collecting`."""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks import common

GROUP = 64


def outcomes(cards: int) -> Iterator[list[Any]]:
    """What came of the claimed cards of a running batch, in groups."""
    from django.utils import timezone

    from batches.drain import claims, duplicates, presence
    from batches.drain.outcomes import Outcome
    from batches.queries.means import setup_of
    from ocr.reading import FieldReading, Reading, Usage

    batch = common.started(common.draft(cards, "http://127.0.0.1:9/v1", 16, common.scan(0, (60, 40))))
    while duplicates.take_over_some(batch.pk):  # the first step of a large batch: nothing was read before
        continue
    worker = presence.Presence().worker
    setup = setup_of(batch, batch.engine)
    fields = {field["key"]: FieldReading("Linnaeus", "Linnaeus", confidence=0.9) for field in common.FIELDS}
    reading = Reading(fields, usage=Usage(1200, 150), model="bench", raw="{}")
    while claimed := claims.take(batch.pk, worker, GROUP):
        yield [
            Outcome(card, batch, setup, reading=reading, started_at=timezone.now(), duration=1.0) for card in claimed
        ]


def write(groups: list[list[Any]], *, alone: bool) -> None:
    from batches.drain.collector import Collector

    collector = Collector(groups[0][0].card.worker_id)
    for group in groups:
        for part in [[outcome] for outcome in group] if alone else [group]:
            collector.write(part)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=1024)
    cards = parser.parse_args().cards
    with common.application():
        from batches.drain import threads

        threads.relax()
        write(list(outcomes(GROUP)), alone=False)  # imports
        taken = {}
        for alone in (True, False):
            groups = list(outcomes(cards))
            work: Callable[[], None] = partial(write, groups, alone=alone)
            taken[alone] = common.measured(work)
        (wall, cpu), (wall_alone, cpu_alone) = taken[False], taken[True]
        print(
            f"{cards} readings: {cards / wall:.0f}/s in groups of {GROUP}, {cards / wall_alone:.0f}/s one by one:"
            f" {wall_alone / wall:.1f} x; CPU {1000 * cpu / cards:.2f} and {1000 * cpu_alone / cards:.2f} ms a card"
        )


if __name__ == "__main__":
    main()
