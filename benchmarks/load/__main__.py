"""Fifty people, two hundred viewers, three uploads, four running batches at once: `python -m benchmarks.load`.

On a site and an endpoint of its own, embedded or on PostgreSQL and Redis; this program clicks, in a process of its own.
At the end all is counted: each file, each correction, each card, each row that a viewer saw. Any error ends it with 1.
Fifteen minutes, and about two to fill and to check; `--minutes 3` says something, too.
"""

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import common
from benchmarks.load import report, site
from benchmarks.load.people import Person, World
from benchmarks.load.record import Record
from benchmarks.load.senders import Sender
from benchmarks.load.viewers import Viewer
from benchmarks.load.weighing import Scales

COME_WITHIN = 30.0  # seconds in which the viewers come, one after the other
_ENDS = re.compile(r"^Traceback [^\n]*\n(?:[ \t][^\n]*\n|\n)*(\S[^\n]*)", re.MULTILINE)  # what an exception says
SETTLE = 3.0  # seconds that the last rows may take to their viewers
DRAIN = 300.0  # seconds beyond the time, for batches that are not over by then
BUSY = 0.85  # of what the endpoint could answer in the time, that the batches hold


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", choices=("embedded", "postgres", "servers"), default="embedded")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--cards", type=int, default=10_000, help="cards of the batch that is read and reviewed")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--think", type=float, default=5, help="seconds between two clicks, in the mean")
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--uploads", type=int, default=3)
    parser.add_argument("--files", type=int, default=200, help="in a folder that is uploaded")
    parser.add_argument("--rest", type=float, default=30, help="seconds between two folders of one person")
    parser.add_argument("--running", type=int, default=4, help="batches that are read")
    parser.add_argument("--latency", type=float, default=1.0, help="seconds of the endpoint's answer")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    options = arguments(given)
    common.end_in_order()
    common.print_machine()
    wanted = world_of(options)
    each = wanted["each"]
    with (
        tempfile.TemporaryDirectory(prefix="cardocr-load-") as folder,
        site.running(Path(folder), options.on, wanted) as place,
    ):
        print(f"{options.running} batches of {each} cards, one of {options.cards} read ones: it begins", flush=True)
        load = Load(options, place)
        asyncio.run(load.work())
        load.judge()
        load.read_log()
        title = f"{options.on}, {options.people} people, {options.viewers} viewers, {options.uploads} uploads"
        told = f"{title}, {options.running} batches of {each} cards, beside {options.cards:,} read ones"
        print("", *report.lines(told, load.record, load.scales, load.seconds), sep="\n", flush=True)
    return 1 if load.record.wrong else 0


def world_of(options: argparse.Namespace) -> dict[str, Any]:
    """What the site is filled with. The batches are over when the time is, unless something slows them down."""
    each = int(BUSY * 60 * options.minutes * site.THREADS / options.latency / max(1, options.running))
    return {
        "people": max(options.people, options.uploads),
        "cards": options.cards,
        "running": options.running,
        "each": max(4, each),
        "latency": options.latency,
    }


class Load:
    def __init__(self, options: argparse.Namespace, place: site.Site) -> None:
        self._options, self._site = options, place
        self.record = Record()
        made = place.world
        self._sessions = [(str(name), str(value)) for name, value in made["people"]]
        self.world = World(place.url, made["read"], made["running"], self.record, options.think)
        self.scales = Scales(self._families)
        self.seconds = 0.0
        self._viewers: list[Viewer] = []

    def _families(self) -> dict[str, list[int]]:
        return self._site.families() | {"this program": [os.getpid()]}

    async def work(self) -> None:
        options, world = self._options, self.world
        await self._start()
        began = time.monotonic()
        ends = began + 60 * options.minutes
        picture = common.scan(0, (2400, 1600))
        people = [Person(world, session) for session in self._sessions[: options.people]]
        senders = [
            Sender(world, session, n, picture, options.files, options.rest)
            for n, session in enumerate(self._sessions[: options.uploads])
        ]
        for sender in senders:
            sender.over = lambda: time.monotonic() >= ends
        self._viewers = [
            Viewer(
                world, self._sessions[n % len(self._sessions)], world.running[n % len(world.running)], breaks=n % 4 == 0
            )
            for n in range(options.viewers if world.running else 0)
        ]
        coming = min(COME_WITHIN, 6 * options.minutes)
        watching = [
            asyncio.create_task(viewer.watch(n / len(self._viewers) * coming)) for n, viewer in enumerate(self._viewers)
        ]
        clicking = [asyncio.create_task(person.work()) for person in people]
        sending = [asyncio.create_task(sender.work()) for sender in senders]
        weighing = asyncio.create_task(self.scales.weigh())
        await asyncio.sleep(ends - time.monotonic())
        await self._corrected()
        self.seconds = time.monotonic() - began
        self.scales.look(self.seconds)
        await self._end([*clicking, weighing])
        await asyncio.wait_for(asyncio.gather(*sending), DRAIN)
        await self._drained()
        await asyncio.sleep(SETTLE)
        await self._end(watching)

    async def _start(self) -> None:
        """The batches, as their owner starts them."""
        async with self.world.browser(self._sessions[0]) as browser:
            page = await browser.get("/batches/new/")
            token = page.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
            for batch in self.world.running:
                answer = await browser.post(f"/batches/{batch}/start/", data={"csrfmiddlewaretoken": token})
                if answer.headers.get("location") != f"/batches/{batch}/":
                    self.record.fault(f"batch {batch} was not started: {answer.status_code}")

    async def _corrected(self) -> None:
        """A run of seconds is as long as a review needs."""
        ends = time.monotonic() + DRAIN
        while self._options.people and not self.record.saved and time.monotonic() < ends:
            await asyncio.sleep(0.2)

    async def _drained(self) -> None:
        """Until the endpoint has been asked for each card, and nothing is in flight; what is missing is found later."""
        cards = sum(self._site.world["each"] for _ in self.world.running)
        ends = time.monotonic() + DRAIN
        while time.monotonic() < ends:
            counted = await asyncio.to_thread(common.calls, self._site.endpoint)
            if counted["total"] >= cards:
                break
            await asyncio.sleep(0.5)
        await asyncio.sleep(self._options.latency + 1)

    async def _end(self, tasks: list[Any]) -> None:
        """Ended in the midst of a click. What failed by a mistake of ours is told."""
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                self.record.fault(f"this program: {type(outcome).__name__}: {outcome}")

    def judge(self) -> None:
        record = self.record
        calls = common.calls(self._site.endpoint)
        for _ in range(calls["repeated"]):
            record.fault("card read twice")
        running = self.world.running
        found = self._site.check({"sent": record.sent, "saved": record.saved, "running": running})
        for fault in found["faults"]:
            record.fault(fault)
        cards = {
            int(pk): {int(card): (version, at) for card, (version, at) in of.items()}
            for pk, of in found["cards"].items()
        }
        for viewer in self._viewers:
            viewer.judge(cards[viewer.batch])
        record.counts["files taken"] = sum(len(names) for names in record.sent.values())
        record.counts["corrections saved"] = len(record.saved)
        record.counts["cards read"] = calls["total"]
        record.counts["frames"] = sum(viewer.frames for viewer in self._viewers)

    def read_log(self) -> None:
        """What nobody has seen is an error, too. The log outlives the site, then."""
        log = self._site.serving.log.read_text()
        for said in _ENDS.findall(log):
            self.record.fault(f"the site's log: {said[:200]}")
        if "Traceback" in log:
            kept = Path(tempfile.gettempdir()) / f"cardocr-load-{os.getpid()}.log"
            kept.write_text(log)
            print(f"The site's log is kept: {kept}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
