"""The drain against a bare script, in one run: same threads, same shared httpx client, same images, same server.

    python -m benchmarks.drain [--cards 400] [--workers 16 64] [--latency 1.0]

Prints wall time as a ratio to the bare script's and to cards x latency / workers, and CPU per card for 200 and 2,000
cards. Ratios decide (docs: quality); seconds depend on the machine. Images are prepared before the clock starts.
"""

import argparse
import base64
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

FIELDS = [{"key": key, "label": key.title(), "type": "text"} for key in ("author", "title", "shelfmark")]


@contextmanager
def endpoint(latency: float) -> Any:
    """The test server in a process of its own, so that its CPU is not counted."""
    command = [sys.executable, "-m", "tests.vlm_server", "--delay", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Wall seconds and CPU seconds of this process."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def prepared_batch(cards: int, url: str, workers: int) -> Any:
    """A started batch whose images are prepared."""
    from django.contrib.auth import get_user_model

    from batches.actions import runs
    from batches.intake import adding, derive
    from batches.models import Batch
    from ocr.models import Engine
    from tests import vlm_server

    owner, _made = get_user_model().objects.get_or_create(username="bench")
    engine, _made = Engine.objects.update_or_create(
        name="bench",
        defaults={
            "kind": Engine.Kind.OPENAI_COMPATIBLE,
            "address": url,
            "model": "test-model",
            "max_in_flight": workers,
        },
    )
    batch = Batch.objects.create(name="Bench", owner=owner, engine=engine, fields=FIELDS)
    for number in range(cards):
        adding.add_file(batch, f"{number}.jpg", [vlm_server.card_image(number, (1200, 800))])
    derive.prepare_many(batch.cards.select_related("batch"))
    return runs.start(batch, owner)


def drained(batch: Any, workers: int) -> Callable[[], None]:
    """Reads the batch to its end in this process, as the consumer does."""
    from batches.drain.service import Service

    def work() -> None:
        service = Service(batch_id=batch.pk, threads=workers)
        while batch.completed + batch.failed < batch.total:
            time.sleep(0.2)
            batch.refresh_from_db()
        assert batch.failed == 0, "the endpoint answers every card"
        service.stop()

    return work


def bare(batch: Any, url: str, workers: int) -> Callable[[], None]:
    """What a person would write: read the file, post it, parse the answer."""
    import httpx

    from batches.intake import derive
    from ocr import prompts

    paths = [
        derive.prepared(card, full_resolution=False, max_px=1600).path for card in batch.cards.select_related("batch")
    ]
    prompt = prompts.build(_task(batch))
    body = {"model": "test-model", "max_tokens": 4096, "temperature": 0, "response_format": _format(batch)}

    def work() -> None:
        with httpx.Client(timeout=60, limits=httpx.Limits(max_connections=None)) as client:

            def ask(path: Any) -> None:
                image = base64.b64encode(path.read_bytes()).decode()
                content = [
                    {"type": "text", "text": prompt},
                    {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{image}"}},
                ]
                request = body | {"messages": [{"role": "user", "content": content}]}
                answer = client.post(f"{url}/chat/completions", json=request).json()
                json.loads(answer["choices"][0]["message"]["content"])

            with ThreadPoolExecutor(workers) as threads:
                list(threads.map(ask, paths))

    return work


def _task(batch: Any) -> Any:
    from batches.drain.reading import read_task

    return read_task(batch)


def _format(batch: Any) -> dict[str, Any]:
    from ocr import schema

    answer = {"name": "card", "strict": True, "schema": schema.build(_task(batch))}
    return {"type": "json_schema", "json_schema": answer}


def compare(cards: int, latency: float, workers: int) -> None:
    with endpoint(latency) as url:
        drained(prepared_batch(workers, url, workers), workers)()  # imports, certificates
        batch = prepared_batch(cards, url, workers)
        plain_wall, plain_cpu = measured(bare(batch, url, workers))
        wall, cpu = measured(drained(batch, workers))
    ideal = cards * latency / workers
    print(
        f"{workers:3} workers, {cards} cards of {latency} s: {wall:.1f} s = {wall / plain_wall:.3f} x bare"
        f" ({plain_wall:.1f} s), {wall / ideal:.3f} x ideal (bare {plain_wall / ideal:.3f});"
        f" CPU per card {1000 * cpu / cards:.2f} ms = {cpu / plain_cpu:.2f} x bare ({1000 * plain_cpu / cards:.2f} ms)"
    )


def growth(workers: int) -> None:
    per_card: dict[int, float] = {}
    with endpoint(0.05) as url:
        for cards in (200, 2000):
            _wall, cpu = measured(drained(prepared_batch(cards, url, workers), workers))
            per_card[cards] = cpu / cards
    small, large = per_card[200], per_card[2000]
    print(f"CPU per card: {1000 * small:.2f} ms of 200, {1000 * large:.2f} ms of 2,000: {large / small:.2f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=400)
    parser.add_argument("--workers", type=int, nargs="*", default=[16, 64])
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--no-growth", action="store_true")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for workers in arguments.workers:
        compare(arguments.cards, arguments.latency, workers)
    if not arguments.no_growth:
        growth(16)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cardocr-bench-") as folder:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "cardocr_site.settings",
            "CARDOCR_DATA_DIR": folder,
            "CARDOCR_ALLOW_PRIVATE_ENGINES": "127.0.0.1",
        }
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        main()
