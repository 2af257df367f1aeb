"""CPU per card in batches of 200, 2,000 and 10,000, and the memory of the process: `python -m benchmarks.growth`.

Tiny pictures and an endpoint that answers at once, so that what grows would show. Five batches of 200 count as one.
About six minutes on two cores.
"""

from functools import partial

from benchmarks import common

WORKERS = 16
BATCHES = ((200, 5), (2000, 1), (10_000, 1))


def main() -> None:
    import os

    picture = common.scan(0, (60, 40))
    per_card: dict[int, float] = {}
    with common.application(), common.endpoint(0.02) as url:
        common.drained(common.started(common.draft(200, url, WORKERS, picture)), WORKERS)  # imports, connections
        for cards, times in BATCHES:
            used = 0.0
            for _ in range(times):
                batch = common.started(common.draft(cards, url, WORKERS, picture))
                wall, cpu = common.measured(partial(common.drained, batch, WORKERS))
                used += cpu
            per_card[cards] = used / cards / times
            ratio = per_card[cards] / per_card[200]
            print(
                f"{cards:6} cards: {1000 * per_card[cards]:.2f} ms of CPU a card = {ratio:.2f} x that of 200,"
                f" {cards / wall:.0f} cards/s; the process has {common.resident(os.getpid()):.0f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()
