"""Files on their way into a draft, and what a person decides about them."""

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from batches import tasks
from batches.actions import activity
from batches.intake import opening, order, parts, uploads
from batches.intake.entering import Sender
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
    sender = Sender(by, _note) if by is not None else None
    return _opened(uploads.take(batch, name, sent, client_key=client_key, size=size, sender=sender))


def append(upload: Upload, start: int, chunks: Iterable[bytes], by: User | None = None) -> Upload:
    """Put a part behind the others, the last one as receive. Raises parts.Elsewhere and Refused."""
    upload = parts.append(upload, start, chunks)
    if upload.status in {UploadStatus.OPENING, UploadStatus.DONE} and by is not None:
        _note(by, [upload])
    return upload if upload.status == UploadStatus.RECEIVING else _opened(upload)


def add_anyway(upload: Upload, by: User | None = None) -> None:
    """A duplicate that is wanted, too. Raises Refused."""
    if uploads.want(upload):
        upload.refresh_from_db()
        if by is not None:
            _note(by, [upload])
        _opened(upload)


def _note(by: User, taken: Sequence[Upload]) -> None:
    last = taken[-1]
    activity.record(last.batch_id, by, "add_scans", len(taken), group=True, name=last.name[-200:])


def _opened(upload: Upload) -> Upload:
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
