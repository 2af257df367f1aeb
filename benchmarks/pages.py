"""Pages at 1,000,000 cards, 100,000 of them in the batch, against the same at 1,000: `python -m benchmarks.pages`.

CPU of a request by the test client, SQLite's too: the median of many; and its number of queries. Two data folders are
filled by statements, one after the other; about ten minutes and 4 GB of disk. `python -m benchmarks.pages 10000 10`
takes fewer.
"""

import json
import subprocess
import sys
import time
from statistics import median

from benchmarks import common, filling

TIMES = 15
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


def measure(batches: int, cards: int) -> dict[str, tuple[float, int]]:
    """Milliseconds and queries of each page."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    call_command("collectstatic", interactive=False, verbosity=0)
    batch, card = filling.fill(batches, cards)
    client = Client(HTTP_HOST="127.0.0.1", headers={"accept-language": "en"})
    client.force_login(get_user_model().objects.get(username="bench"))
    found = {}
    for name, address in PAGES.items():
        address = address.format(batch=batch, card=card)
        answer = client.get(address, follow=True)
        assert answer.status_code == 200, (name, answer.status_code)
        times = []
        for _ in range(TIMES):
            began = time.process_time()
            client.get(address, follow=True)
            times.append(time.process_time() - began)
        with CaptureQueriesContext(connection) as queries:
            client.get(address, follow=True)
        found[name] = (1000 * median(times), len(queries))
    return found


def one(batches: int, cards: int) -> None:
    """In a process of its own: the figures as JSON on the last line."""
    with common.application():
        began = time.monotonic()
        found = measure(batches, cards)
        print(f"{batches * cards} cards, filled and measured in {time.monotonic() - began:.0f} s", flush=True)
        print(json.dumps(found), flush=True)


def main() -> None:
    cards, batches = (int(one) for one in (sys.argv[1:3] or (100_000, 10)))
    figures = []
    for size in ((1, 1000), (batches, cards)):
        command = [sys.executable, "-m", "benchmarks.pages", "one", *map(str, size)]
        lines = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
        print(*lines[:-1], sep="\n", flush=True)
        figures.append(json.loads(lines[-1]))
    small, large = figures
    for name, (wanted, queries) in large.items():
        alone, few = small[name]
        print(f"{name:34} {alone:6.1f} ms {wanted:7.1f} ms = {wanted / alone:5.2f} x; {few} and {queries} queries")


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
