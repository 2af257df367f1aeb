"""Pages at 1,000,000 cards, 100,000 of them in the batch, against the same at 1,000: `python -m benchmarks.pages`.

CPU of a request by the test client, the database's too: the median of many; and its number of queries. Two databases
are filled by statements, then asked by turns, so that what else the machine does falls on both. `--on postgres`: of one
that is started for it. `--reading`: while 16 cards a second are read into both. Ten to twenty minutes and 5 GB of disk;
`--cards 10000` takes less.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from benchmarks import common, filling
from benchmarks.load import site

ROUNDS, TIMES = 5, 3
WORKERS, READING = 16, 6000  # cards at a time, and in all
PROMISED = 1.5
PAGES = {
    "table": "/batches/{batch}/cards/",
    "table, to check": "/batches/{batch}/cards/?filter=check",
    "table, sorted by a field": "/batches/{batch}/cards/?sort=field.author",
    "table, by a field, turned round": "/batches/{batch}/cards/?sort=-field.year",
    "table, to check, by a field": "/batches/{batch}/cards/?filter=check&sort=field.author",
    "table, by confidence": "/batches/{batch}/cards/?sort=confidence",
    "table, by file name": "/batches/{batch}/cards/?sort=name",
    "table, by result": "/batches/{batch}/cards/?sort=status",
    "table, a word": "/batches/{batch}/cards/?q=rare0",
    "table, inside words": "/batches/{batch}/cards/?q=*are0",
    "table, a word in a field": "/batches/{batch}/cards/?q=rare0&in=remark",
    "card": "/batches/{batch}/cards/{card}/",
    "card, in the order of a field": "/batches/{batch}/cards/{card}/?sort=field.author",
    "review, next": "/batches/{batch}/review/",
    "review, in the order of a field": "/batches/{batch}/review/?queue=&sort=field.author&card={card}",
    "find": "/search/?q=rare0",
    "find, inside words": "/search/?q=*are0",
    "progress": "/batches/{batch}/",
    "list of batches": "/batches/",
    "status call": "/batches/{batch}/live/?after=1.0&view=grid&lang=en",
}


@contextmanager
def asked(options: argparse.Namespace) -> Iterator[Any]:
    """A function: the name of a page, and how it did."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    call_command("collectstatic", interactive=False, verbosity=0)
    if options.beside:
        filling.fill(options.beside, 1)
    batch, card = filling.fill(options.batches, options.cards)
    client = Client(HTTP_HOST="127.0.0.1", headers={"accept-language": "en"})
    client.force_login(get_user_model().objects.get(username="bench"))
    with ExitStack() as stack:
        if options.reading:
            stack.enter_context(read())
        yield lambda name: look(client, PAGES[name].format(batch=batch, card=card))


def look(client: Any, address: str) -> dict[str, Any]:
    """Milliseconds of CPU and of waiting, of each of some requests, and how many queries one takes."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:  # which makes it warm, too
        answer = client.get(address, follow=True)
    number = len(queries)  # now: the next request forgets them
    assert answer.status_code == 200, (address, answer.status_code)
    cpu, wall = [], []
    for _ in range(TIMES):
        began, at = spent(), time.monotonic()
        client.get(address, follow=True)
        cpu.append(1000 * (spent() - began))
        wall.append(1000 * (time.monotonic() - at))
    return {"cpu": cpu, "wall": wall, "queries": number}


def spent() -> float:
    """CPU seconds of this process, and of the one that serves its connection."""
    from django.db import connection

    used = time.process_time()
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        backend = connection.connection.info.backend_pid
        used += int(Path(f"/proc/{backend}/schedstat").read_text().split()[0]) / 1e9
    return used


@contextmanager
def read() -> Iterator[None]:
    """A process reads a batch beside those that are looked at."""
    with common.endpoint(1.0) as url:
        batch = common.started(common.draft(READING, url, WORKERS, common.scan(0, (60, 40))))
        reader = subprocess.Popen([sys.executable, "-m", "benchmarks.pages", "--read", str(batch.pk)])
        try:
            while not batch.cards.filter(status="completed").exists():
                time.sleep(0.2)
            yield
            batch.refresh_from_db()
            assert batch.status == "running", "it was read before all pages were asked for"
        finally:
            reader.terminate()
            reader.wait()


def size_of() -> int:
    """Bytes of the database."""
    from django.db import connection

    with connection.cursor() as cursor:
        sqlite = connection.vendor == "sqlite"
        cursor.execute("PRAGMA page_count" if sqlite else "SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0]) * (4096 if sqlite else 1)


def one(options: argparse.Namespace) -> None:
    """In a process of its own: each line of its input is a page, each of its output what it took, as JSON."""
    with common.application():
        empty, began = size_of(), time.monotonic()
        with asked(options) as ask:
            cards = options.batches * options.cards
            say({"cards": cards, "bytes": size_of() - empty, "seconds": time.monotonic() - began})
            for line in sys.stdin:
                say(ask(line.strip()))


def say(told: dict[str, Any]) -> None:
    print(f"> {json.dumps(told)}", flush=True)


class Side:
    """One of the two databases."""

    def __init__(self, stack: ExitStack, sizes: dict[str, int], reading: bool, url: str) -> None:
        command = [sys.executable, "-m", "benchmarks.pages", "--one", *(["--reading"] if reading else [])]
        command += [part for name, size in sizes.items() for part in (f"--{name}", str(size))]
        environment = os.environ | ({"DATABASE_URL": url} if url else {})
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        stack.enter_context(self._process)
        self.made = self._heard()

    def _heard(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("> "):
                told: dict[str, Any] = json.loads(line[2:])
                return told
        raise SystemExit("It has ended; see above.")

    def ask(self, name: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return self._heard()


def compare(options: argparse.Namespace) -> int:
    with ExitStack() as stack:
        urls = ["", ""]
        if options.on == "postgres":
            url = stack.enter_context(site.database("small", "large", max_parallel_workers_per_gather="0"))
            urls = [urlsplit(url)._replace(path=f"/{name}").geturl() for name in ("small", "large")]
        # What a list of batches and a search show is as much on both sides: what grows is cards.
        few = {"batches": 1, "cards": 1000, "beside": options.batches - 1}
        large = Side(stack, {"batches": options.batches, "cards": options.cards}, options.reading, urls[1])
        small = Side(stack, few, options.reading, urls[0])
        common.print_machine()
        for side in (small, large):
            each = side.made["bytes"] / side.made["cards"]
            print(
                f"{side.made['cards']} cards, {each:.0f} bytes each, filled in {side.made['seconds']:.0f} s", flush=True
            )
        return report(((name, ask(small, large, name)) for name in PAGES), options)


def ask(small: Side, large: Side, name: str) -> list[dict[str, Any]]:
    """By turns; of each side all that it told."""
    rounds = [[side.ask(name) for side in (small, large)] for _ in range(ROUNDS)]
    return [
        {
            "cpu": median(ms for told in rounds for ms in told[side]["cpu"]),
            "wall": median(ms for told in rounds for ms in told[side]["wall"]),
            "queries": rounds[-1][side]["queries"],
        }
        for side in (0, 1)
    ]


def report(found: Iterable[tuple[str, list[dict[str, Any]]]], options: argparse.Namespace) -> int:
    """Prints each page as it is known; how many are over what is promised."""
    print(f"\n{options.on}{', while cards are read' if options.reading else ''}\n")
    print(f"| page | CPU at 1,000 | at {options.cards * options.batches:,} | ratio | waiting | queries |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    over = 0
    for name, (few, many) in found:
        ratio = many["cpu"] / few["cpu"]
        over += ratio > PROMISED
        shown = f"**{ratio:.2f} x**" if ratio > PROMISED else f"{ratio:.2f} x"
        waited = f"{few['wall']:.0f} and {many['wall']:.0f} ms"
        queries = f"{few['queries']} and {many['queries']}"
        cells = (name, f"{few['cpu']:.1f} ms", f"{many['cpu']:.1f} ms", shown, waited, queries)
        print(f"| {' | '.join(cells)} |", flush=True)
    print()
    common.print_machine()
    return over


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=100_000, help="of a batch")
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--on", choices=("embedded", "postgres"), default="embedded")
    parser.add_argument("--reading", action="store_true", help="cards are read meanwhile")
    parser.add_argument("--beside", type=int, default=0, help=argparse.SUPPRESS)  # batches of one card
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--read", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    common.end_in_order()
    if options.one:
        one(options)
    elif options.read:
        import django

        django.setup()
        from batches.models import Batch

        common.drained(Batch.objects.get(pk=options.read), WORKERS)
    else:
        return 1 if compare(options) else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
