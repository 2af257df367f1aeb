"""Files on their way into a draft, and what a person decides about them."""

import time
from collections.abc import Iterable
from pathlib import Path

from batches import tasks
from batches.actions import activity
from batches.intake import opening, order, parts, uploads
from batches.models import Batch, Upload
from batches.states import UploadStatus
from cardocr_site.accounts.models import User

RING_EVERY = 1.0  # seconds
_rung: dict[int, float] = {}  # by batch


def receive(
    batch: Batch,
    name: str,
    sent: Iterable[bytes] | Path,
    *,
    client_key: str = "",
    size: int = 0,
    by: User | None = None,
) -> Upload:
    """Take one file in, as uploads.take; say what came of it. Raises Refused where the batch takes none at all.

    A container is opened as far as that goes in ten seconds; the consumer goes on with the rest.
    """
    return _opened(uploads.take(batch, name, sent, client_key=client_key, size=size), by)


def append(upload: Upload, start: int, chunks: Iterable[bytes], by: User | None = None) -> Upload:
    """Put a part behind the others, the last one as receive. Raises parts.Elsewhere and Refused."""
    upload = parts.append(upload, start, chunks)
    return upload if upload.status == UploadStatus.RECEIVING else _opened(upload, by)


def add_anyway(upload: Upload, by: User | None = None) -> None:
    """A duplicate that is wanted, too. Raises Refused."""
    if uploads.want(upload):
        upload.refresh_from_db()
        _opened(upload, by)


def _opened(upload: Upload, by: User | None) -> Upload:
    if upload.status in {UploadStatus.OPENING, UploadStatus.DONE}:
        activity.record(upload.batch_id, by, "add_scans", group=True, name=upload.name[-200:])
    if upload.status == UploadStatus.OPENING:
        opening.go_on(upload.pk, opening.within(opening.HERE))
        upload.refresh_from_db()
        tasks.prepare(upload.batch_id)
    else:
        _ring(upload.batch_id)
    return upload


def _ring(batch_id: int) -> None:
    """Once a second is enough while files pour in; for the last one `settle` rings, or the consumer looks by itself."""
    now = time.monotonic()
    if now - _rung.get(batch_id, 0.0) > RING_EVERY:
        _rung[batch_id] = now
        tasks.prepare(batch_id)


def dismiss(files: Iterable[Upload]) -> None:
    uploads.dismiss(files)


def settle(batch: Batch) -> None:
    """Lay the cards in order once the files are there. Whatever has been laid by hand stays."""
    order.settle_draft(batch)
    _rung.pop(batch.pk, None)
    tasks.prepare(batch.pk)
