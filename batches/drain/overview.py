"""`batch.json` beside the result files: what a batch is read with, and how far it is. Not written card by card."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

from batches.drain import files
from batches.intake import store
from batches.models import Batch

log = logging.getLogger(__name__)

NAME = "batch.json"
WHILE_READING = timedelta(seconds=60)  # between two of a batch that is being read
_LOOKED_AT = ("uid", "label", "status", "changed_at", "deleted_at")  # of thousands, in the first round
LOOK_BACK = timedelta(minutes=10)  # a batch that has not changed for so long was seen in an earlier round


class Overviews:
    """Of all batches, or of one. The first round looks at all of them, the others at those that have changed."""

    def __init__(self, batch_id: int | None = None) -> None:
        self._batch_id = batch_id
        self._looked_at: datetime | None = None

    def write_due(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Write those that are older than their batch; return how many. A disk that is full is tried again later."""
        started = Batch.objects.filter(deleted_at=None).exclude(label=None)
        if self._batch_id is not None:
            started = started.filter(pk=self._batch_id)
        now, written, failed = timezone.now(), 0, False
        if self._looked_at is not None:
            started = started.filter(changed_at__gte=self._looked_at - LOOK_BACK)
        for batch in started.only(*_LOOKED_AT).order_by("pk").iterator(chunk_size=500):
            if stopping():
                return written
            try:
                written += _write_if_due(batch)
            except OSError as error:
                failed = True
                log.warning("Batch %s: its %s could not be written: %s", batch.pk, NAME, error)
        if not failed:
            self._looked_at = now
        return written


def _write_if_due(batch: Batch) -> bool:
    if not store.is_made(batch) or not _is_due(batch, store.folder(batch) / store.RESULTS / NAME):
        return False
    whole = Batch.objects.select_related("owner", "engine", "template_version__template").filter(pk=batch.pk).first()
    if whole is None:  # emptied out of the trash meanwhile
        return False
    content = files.as_json(files.of_batch(whole))
    with store.writing(batch):
        path = store.folder(batch) / store.RESULTS / NAME
        # The file's time is that of the row it tells of: no other note of what it tells is needed.
        store.write_atomic(path, content.encode("utf-8", "replace"), whole.changed_at)
    return True


def _is_due(batch: Batch, path: Path) -> bool:
    try:
        behind = batch.changed_at.timestamp() - store.kept().dated(path)
    except FileNotFoundError:
        return True
    return behind > (WHILE_READING.total_seconds() if batch.is_active else 0.001)
