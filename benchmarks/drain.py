"""The drain against a bare script, in one run: same threads, same shared httpx client, same images, same endpoint.

    python -m benchmarks.drain [--cards 400] [--workers 16 64] [--latency 1.0] [--rounds 3]

Prints wall time as a ratio to the bare script's and to cards x latency / workers, and CPU per card. Images are
prepared before the clock starts; result files are written before it stops. The rounds alternate, and the ratio of
the sums is what counts.
"""

import argparse
from collections import Counter
from functools import partial
from typing import Any

from benchmarks import bare, common


def response_format(task: Any) -> dict[str, Any]:
    from ocr import schema

    return {
        "type": "json_schema",
        "json_schema": {"name": "card", "strict": True, "schema": schema.build(task)},
    }


def compare(cards: int, latency: float, workers: int, rounds: int) -> None:
    from batches.intake import derive
    from batches.queries.means import read_task
    from ocr import prompts

    picture = common.scan(0)
    ours, theirs = [0.0, 0.0], [0.0, 0.0]
    spent = Counter[str]()
    with common.endpoint(latency) as url:
        common.drained(common.started(common.draft(workers, url, workers, picture)), workers)  # imports, certificates
        for _ in range(rounds):
            batch = common.started(common.draft(cards, url, workers, picture))
            task = read_task(batch)
            read = partial(derive.prepared, full_resolution=False, max_px=1600)
            paths = [read(card).path for card in batch.cards.select_related("batch")]
            question = prompts.build(task), response_format(task)
            common.calls(url, reset=True)
            for total, work in (
                (theirs, partial(bare.read_all, paths, url, *question, workers)),
                (ours, partial(common.drained, batch, workers, 0.9 * cards * latency / workers, spent)),
            ):
                wall, cpu = common.measured(work)
                total[0] += wall
                total[1] += cpu
            counts = common.calls(url)
            assert (counts["total"], counts["images"]) == (2 * cards, cards), "each card is asked about once by each"
    number, ideal = cards * rounds, cards * rounds * latency / workers
    print(
        f"{workers:3} workers, {number} cards of {latency} s: {ours[0]:.1f} s = {ours[0] / theirs[0]:.3f} x bare,"
        f" {ours[0] / ideal:.3f} x ideal (bare {theirs[0] / ideal:.3f});"
        f" CPU per card {1000 * ours[1] / number:.2f} ms = {ours[1] / theirs[1]:.2f} x bare"
        f" ({1000 * theirs[1] / number:.2f} ms)",
        flush=True,
    )
    rest = {"the rest": ours[1] - spent.total()}
    told = [f"{name} {1000 * cpu / number:.2f}" for name, cpu in [*spent.most_common(), *rest.items()]]
    print(f"    by threads, in ms a card: {', '.join(told)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=400)
    parser.add_argument("--workers", type=int, nargs="*", default=[16, 64])
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with common.application():
        print(f"pictures of {len(common.scan(0)) // 1000} kB")
        for workers in arguments.workers:
            compare(arguments.cards, arguments.latency, workers, arguments.rounds)


if __name__ == "__main__":
    main()
