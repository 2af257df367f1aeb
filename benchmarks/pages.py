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
from typing import Any

from benchmarks import common

TIMES = 15
FIELDS = [{"key": key, "label": key.title(), "type": "text"} for key in ("author", "title", "place", "remark")]
FIELDS.append({"key": "year", "label": "Year", "type": "integer"})
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


def fill(batches: int, cards: int) -> tuple[int, int]:
    """Batches that are read, by statements. Of each thousand cards 40 are to check, and one word stands on five."""
    from django.contrib.auth import get_user_model
    from django.db import connection, transaction
    from django.utils import timezone

    from batches.models import Batch, Card, CardResult, indexing
    from ocr.models import Engine

    class Plan:
        app_label = "batches"

    person = get_user_model().objects.create_superuser("bench")
    engine = Engine.objects.get_or_create(name="Bench", defaults={"kind": "local"})[0]
    now = timezone.now()
    indexing.lay_aside(None, "default", [(Plan, False)])
    for _ in range(batches):
        batch = Batch.objects.create(name="Drawer", owner=person, engine=engine, fields=FIELDS, status="completed")
        for start in range(0, cards, 5000):
            rows = range(start, min(cards, start + 5000))
            with transaction.atomic():
                made = Card.objects.bulk_create([_card(batch.pk, n, now) for n in rows])
                CardResult.objects.bulk_create([_result(card, n) for card, n in zip(made, rows, strict=True)])
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE batches_card SET result_id = (SELECT r.id FROM batches_cardresult r"
                " WHERE r.card_id = batches_card.id) WHERE batch_id = %s",
                [batch.pk],
            )
        counted = {"total": cards, "completed": cards, "to_check": -(-cards // 25)}
        Batch.objects.filter(pk=batch.pk).update(version=1, started_at=now, finished_at=now, **counted)
    indexing.set_up(None, "default")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    middle = batch.cards.get(position=cards // 2)
    return batch.pk, middle.pk


def _card(batch: int, n: int, now: Any) -> Any:
    from batches.models import Card

    name, check = f"{n:06}.jpg", n % 25 == 0
    return Card(
        batch_id=batch,
        position=n + 1,
        filename=name,
        source=name,
        original_name=f"drawer/{name}",
        sha256=f"{n:064}",
        prepared_at=now,
        status="completed",
        to_check=check,
        severity=n % 97 if check else 0,
        version=1,
        finished_at=now,
    )


def _result(card: Any, n: int) -> Any:
    from batches.models import CardResult

    values = {
        "author": f"author {n * 7919 % 10007}",
        "title": f"Title {n} of the drawer",
        "place": "Nordsjøen" if n % 3 else "Bergen",
        "remark": f"rare{n % 200} word" if n % 1000 < 200 and n < 1000 else "nothing odd",
        "year": str(1900 + n % 100),
    }
    fields = {
        key: {"verbatim": text, "value": text, "state": "read", "confidence": 0.9, "regions": [], "issues": []}
        for key, text in values.items()
    }
    search = " ".join(values.values()).lower()
    return CardResult(card=card, fields=fields, values=values, confidence=(n % 100) / 100, search=search)


def measure(batches: int, cards: int) -> dict[str, tuple[float, int]]:
    """Milliseconds and queries of each page."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    call_command("collectstatic", interactive=False, verbosity=0)
    batch, card = fill(batches, cards)
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
