"""The table, as it stands in docs/scale.md."""

import os
import time
from collections.abc import Iterator

from benchmarks.load.record import SHOWN, Record
from benchmarks.load.weighing import Scales


def lines(title: str, record: Record, scales: Scales, seconds: float) -> Iterator[str]:
    load = scales.loads or [os.getloadavg()[0]]
    yield f"**{title}**"
    yield ""
    yield (
        f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, {seconds / 60:.0f} minutes; load average"
        f" {load[0]:.1f} at the start, {sum(load) / len(load):.1f} in the mean, {max(load):.1f} at most (this program's"
        " clicking and the stub's answers count in it)."
    )
    yield ""
    yield "| what | how many | p50 | p95 | max |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for kind in sorted(record.seconds):
        number, *times = record.figures(kind)
        yield f"| {kind} | {number:,} | " + " | ".join(f"{1000 * one:,.0f} ms" for one in times) + " |"
    yield ""
    yield "| program | MB at the start | after a third | at the end | at most | CPU, share of a core |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name, weight in sorted(scales.weights.items()):
        sizes = (weight.at(0), weight.at(1 / 3), weight.at(1), weight.most)
        yield f"| {name} | " + " | ".join(f"{size:.0f}" for size in sizes) + f" | {weight.cpu / seconds:.2f} |"
    yield ""
    told = ", ".join(f"{name} {number:,}" for name, number in sorted(record.counts.items()))
    yield f"Besides: {told}."
    yield ""
    yield f"Errors: {record.wrong}"
    for fault, number in record.faults.most_common(SHOWN):
        yield f"- {number} times: {fault}"
