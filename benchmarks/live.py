"""How fast a commit reaches the sockets of one batch, and what 200 and 500 viewers cost against 50.

`python -m benchmarks.live [--seconds 10] [--rate 20]`: a writer process commits cards, this process serves the viewers.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import quantiles
from typing import Any


def setup(folder: str) -> None:
    os.environ["CARDOCR_DATA_DIR"] = folder
    os.environ["CARDOCR_MAX_STREAMS"] = "0"  # all viewers are one person
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cardocr_site.settings")
    import django

    django.setup()


def make_batch(cards: int) -> tuple[int, str]:
    from django.conf import settings
    from django.core.management import call_command
    from django.test import Client

    from batches import changes
    from batches.models import Batch, Card
    from batches.states import BatchStatus
    from cardocr_site.accounts.models import User

    call_command("prepare_database", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    user = User.objects.get(username="admin")
    fields = [{"key": f"f{n}", "label": f"Field {n}", "type": "text"} for n in range(8)]
    batch = Batch.objects.create(name="Benchmark", owner=user, fields=fields)
    with changes.locked(batch) as change:
        change.add_cards(
            [
                Card(position=n, filename=f"{n}.jpg", source=f"{n}.jpg", original_name=f"{n}.jpg", sha256="0")
                for n in range(1, cards + 1)
            ]
        )
    changes.move_batch(batch, BatchStatus.QUEUED)
    changes.move_batch(batch, BatchStatus.RUNNING)
    client = Client()
    client.force_login(user)
    return batch.pk, client.cookies[settings.SESSION_COOKIE_NAME].value


def write(batch_id: int, first: int, number: int, rate: float) -> None:
    """The other process: one committed card after the other; each version and its time on a line."""
    from batches import changes
    from batches.models import Card, CardResult
    from batches.states import CardStatus

    cards = list(Card.objects.filter(batch=batch_id, position__gte=first).order_by("position")[:number])
    values = {f"f{n}": f"A value of field {n}" for n in range(8)}
    fields = {key: {"value": value, "state": "value", "confidence": 0.9, "issues": []} for key, value in values.items()}
    due = time.time()
    for card in cards:
        with changes.locked(batch_id) as change:
            result = CardResult.objects.create(card=card, fields=fields, values=values, confidence=0.9)
            change.move_card(card, CardStatus.PROCESSING)
            change.move_card(card, CardStatus.COMPLETED, result=result, duration=1.0)
            version = change.version
        sys.stdout.write(f"{version} {time.time()}\n")
        sys.stdout.flush()
        due += 1 / rate
        time.sleep(max(0.0, due - time.time()))


class Viewer:
    """A socket that notes when each version arrived."""

    def __init__(self) -> None:
        self.arrived: list[tuple[int, float]] = []

    async def watch(self, batch_id: int, cookie: str, after: str) -> None:
        from django.conf import settings

        from cardocr_site.asgi import application

        inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        await inbox.put({"type": "websocket.connect"})

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.send" and '"fragments"' in message["text"]:
                self.arrived.append((json.loads(message["text"])["version"][0], time.time()))

        headers = [
            (b"origin", b"http://127.0.0.1:8000"),
            (b"host", b"127.0.0.1:8000"),
            (b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()),
        ]
        scope = {
            "type": "websocket",
            "path": f"/ws/batches/{batch_id}/",
            "query_string": f"after={after}".encode(),
            "headers": headers,
            "subprotocols": [],
        }
        await application(scope, inbox.get, send)


async def measure(
    batch_id: int, cookie: str, viewers: int, first: int, seconds: float, rate: float
) -> dict[str, float]:
    from batches.live import feed
    from batches.models import Batch

    batch = await Batch.objects.aget(pk=batch_id)
    after = str(await asyncio.to_thread(feed.cursor_at, batch))
    watching = [Viewer() for _ in range(viewers)]
    tasks = [asyncio.create_task(one.watch(batch_id, cookie, after)) for one in watching]
    while len(seats := feed.house().feeds[batch_id].seats if batch_id in feed.house().feeds else ()) < viewers:
        await asyncio.sleep(0.05)
    assert len(seats) == viewers
    number = int(seconds * rate)
    command = [sys.executable, "-m", "benchmarks.live", "--write", str(batch_id), str(first), str(number), str(rate)]
    began = time.process_time()
    writer = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    output, _ = await writer.communicate()
    commits = [(int(version), float(at)) for version, at in (line.split() for line in output.decode().splitlines())]
    async with asyncio.timeout(10):
        while any(not one.arrived or one.arrived[-1][0] < commits[-1][0] for one in watching):
            await asyncio.sleep(0.05)
    spent = time.process_time() - began
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    delays = []
    for one in watching:
        arrivals = iter(sorted(one.arrived))
        shown, at = next(arrivals)
        for version, committed in commits:
            while shown < version:
                shown, at = next(arrivals)
            delays.append(at - committed)
    frames = max(len(one.arrived) for one in watching)
    cuts = quantiles(delays, n=20)
    return {"cpu": spent, "p50": cuts[9], "p95": cuts[18], "most frames a second": frames / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=20, help="cards a second")
    parser.add_argument("--write", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        setup(os.environ["CARDOCR_DATA_DIR"])
        write(int(options.write[0]), int(options.write[1]), int(options.write[2]), float(options.write[3]))
        return
    with tempfile.TemporaryDirectory() as folder:
        setup(folder)
        each = int(options.seconds * options.rate)
        batch_id, cookie = make_batch(4 * each)
        print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {options.rate:g} cards/s, {options.seconds:g} s")
        spent = {}
        for place, viewers in enumerate((50, 200, 500)):
            result = asyncio.run(measure(batch_id, cookie, viewers, place * each + 1, options.seconds, options.rate))
            spent[viewers] = result["cpu"]
            print(f"{viewers:4d} viewers: " + ", ".join(f"{name} {value:.3f}" for name, value in result.items()))
        print(f"CPU of 200 viewers against 50: {spent[200] / spent[50]:.2f} (promised: at most 2.5)")


if __name__ == "__main__":
    main()
