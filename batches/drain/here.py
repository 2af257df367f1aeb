"""Drain one batch in this process, without a doorbell, beside any consumer that runs."""

import threading
from collections.abc import Callable

from batches.drain import filer
from batches.drain.engines import Engines
from batches.drain.overview import Overviews
from batches.drain.service import Service
from batches.models import Batch

LOOK_EVERY = 0.25


def run_here(batch: Batch, *, on_change: Callable[[Batch], None], engines: Engines | None = None) -> None:
    """Return once the batch is over, paused or stopped. On Ctrl-C leases are given back before it goes on up."""
    service = Service(batch_id=batch.pk, engines=engines)
    try:
        version = -1
        pause = threading.Event()
        while True:
            fresh = Batch.objects.select_related("engine").get(pk=batch.pk)
            if fresh.version != version:
                version = fresh.version
                on_change(fresh)
            if not fresh.is_active:
                break
            pause.wait(LOOK_EVERY)
    finally:
        service.stop()
    filer.file_due(batch.pk)
    Overviews(batch.pk).write_due()
