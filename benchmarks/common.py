"""What the benchmarks of the drain share: a data folder of their own, the stub endpoint, batches, the measuring."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

FIELDS = [{"key": key, "label": key.title(), "type": "text"} for key in ("author", "title", "shelfmark")]


@contextmanager
def application() -> Iterator[Path]:
    """Django set up over an empty data folder; figures of another machine or hour are told apart by the first line."""
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
        from batches.drain import service

        service.keep_loaded()  # as the consumer does
        print_machine()
        yield Path(folder)


def print_machine() -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M')}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)


def end_in_order() -> None:
    """When it is told to end: with the servers that it has started."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


@contextmanager
def endpoint(latency: float, *options: str) -> Iterator[str]:
    """The stub in a process of its own, so that its CPU is not counted."""
    command = [sys.executable, "-m", "benchmarks.stub", "--latency", str(latency), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def calls(url: str, *, reset: bool = False) -> dict[str, Any]:
    """What the stub has counted; `reset`: it forgets that afterwards."""
    base = url.removesuffix("/v1")
    with urllib.request.urlopen(f"{base}/calls") as answer:
        counts: dict[str, Any] = json.load(answer)
    if reset:
        urllib.request.urlopen(f"{base}/reset", data=b"").close()
    return counts


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Wall seconds and CPU seconds of this process; its children (the decoders) are not counted."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def resident(pid: int) -> float:
    """Memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def scan(number: int, size: tuple[int, int] = (1200, 800), quality: int = 85) -> bytes:
    """A JPEG unlike every other one, with the grain of paper: 1200 x 800 are about 75 kB, the median of real cards."""
    grain = Image.effect_noise(size, 2.6)
    buffer = BytesIO()
    grain.save(buffer, "JPEG", quality=quality, comment=f"card {number}")
    return buffer.getvalue()


def owner() -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects.get_or_create(username="bench")[0]


def engine(url: str, workers: int) -> Any:
    from ocr.models import Engine

    return Engine.objects.update_or_create(
        name=f"bench {url}",
        defaults={"kind": "openai_compatible", "address": url, "model": "bench", "max_in_flight": workers},
    )[0]


def draft(cards: int, url: str, workers: int, picture: bytes) -> Any:
    """A draft whose cards are prepared, without the work of uploading and preparing them.

    Each card's picture differs by what stands behind its end.
    """
    from django.utils import timezone

    from batches import changes
    from batches.intake import store
    from batches.models import Batch, Card

    options = {"rotation": 0}
    batch = Batch.objects.create(
        name=f"{cards} cards", owner=owner(), engine=engine(url, workers), fields=FIELDS, options=options
    )
    width, height = Image.open(BytesIO(picture)).size
    made = [
        Card(position=n, filename=f"{n}.jpg", source=f"{n}.jpg", original_name=f"{n}.jpg", sha256=f"{batch.pk}-{n}")
        for n in range(1, cards + 1)
    ]
    folder = store.make(batch)
    for card in made:
        card.batch, card.prepared_at = batch, timezone.now()
        card.width, card.height, card.media_type, card.size = width, height, "image/jpeg", len(picture)
        data = picture + card.sha256.encode()
        (folder / card.source).write_bytes(data)
        page = store.derived(card, "page")
        page.parent.mkdir(exist_ok=True)
        page.write_bytes(data)
    with changes.locked(batch) as change:
        change.add_cards(made)
    return batch


def started(batch: Any) -> Any:
    from batches.actions import runs

    return runs.start(batch, owner())


def drained(batch: Any, workers: int, earliest: float = 0.0, spent: Counter[str] | None = None) -> None:
    """Read the batch to its end in this process, as the consumer does, result files and all.

    Nobody looks whether it is over before `earliest` seconds have passed: looking costs CPU that is not the drain's.
    `spent`: to which the CPU seconds of the service's threads are added, by their names.
    """
    from batches.drain import filer
    from batches.drain.service import Service

    service = Service(batch_id=batch.pk, threads=workers)
    time.sleep(earliest)
    while not over(batch):
        time.sleep(0.05)
    if spent is not None:
        add_cpu(spent)
    service.stop()
    filer.file_due(batch.pk)
    batch.refresh_from_db()
    assert (batch.completed, batch.failed) == (batch.total, 0), "the endpoint answers every card"


def add_cpu(spent: Counter[str]) -> None:
    """What each thread that lives has used since it was started."""
    for thread in threading.enumerate():
        if thread.ident is not None and thread is not threading.main_thread():
            name = thread.name.partition("-")[0]
            spent[name] += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))  # type: ignore[assignment]


def over(batch: Any) -> bool:
    """A look that costs next to nothing."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM batches_batch WHERE id = %s", [batch.pk])
        return cursor.fetchone() == ("completed",)
