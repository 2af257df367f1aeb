"""Large files in parts that are kept: what has come stays through a lost connection and a restart of the server.

The row says how far a file has come: it is written once the bytes are on the disk, and what lies behind is cut off.
"""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from batches import changes
from batches.intake import adding, durable, names, sniff, store, uploads
from batches.intake.entering import stands
from batches.intake.receiving import Refused, recognise, refuse_if_full, told
from batches.models import Batch, Upload
from batches.states import UploadStatus as S

KEEP = timedelta(hours=24)


class Elsewhere(Exception):
    """The part does not begin where the file ends so far, or another one is being written."""


def begin(batch: Batch, name: str, size: int, *, client_key: str = "") -> Upload:
    """The row of a file that will come in parts; the same one for the same key. Raises Refused."""
    adding.refuse_unless_open(batch)
    if size > settings.MAX_CONTAINER_BYTES:
        limit = filesizeformat(settings.MAX_CONTAINER_BYTES)
        raise Refused("FILE_TOO_LARGE", _("The file is larger than %(limit)s.") % {"limit": limit})
    key = uploads.key_of(client_key)
    with changes.locked(batch) as change:
        adding.refuse_unless_open(change.batch)
        upload = Upload.objects.filter(batch=batch, client_key=key).first() if key else None
        if upload is not None and stands(upload):
            return upload
        if upload is not None and upload.status == S.RECEIVING and upload.size == size:
            return upload
        refuse_if_full(size)
        upload = upload or Upload(batch=batch, client_key=key)
        upload.status, upload.name, upload.size, upload.received = S.RECEIVING, names.shown(name) or "?", size, 0
        upload.sha256, upload.code, upload.message, upload.dismissed, upload.cards_made = "", "", "", False, 0
        upload.save()
    return upload


def offset(upload: Upload) -> int:
    """How many bytes are here for good."""
    if upload.status != S.RECEIVING:
        return upload.size
    if upload.received > _length(store.part_of(upload)):  # cleared away meanwhile, or not in a backup
        Upload.objects.filter(pk=upload.pk).update(received=0)
        return 0
    return upload.received


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def append(upload: Upload, start: int, chunks: Iterable[bytes]) -> Upload:
    """Put a part behind the others; with the last one the file is taken in. Raises Elsewhere and Refused.

    A refusal of the file is noted in its row.
    """
    adding.refuse_unless_open(upload.batch)
    if upload.status != S.RECEIVING:
        if start != upload.size:
            raise Elsewhere
        return upload
    try:
        with _opened(upload) as file:
            upload.refresh_from_db()
            if upload.status == S.RECEIVING:
                if start != offset(upload):
                    raise Elsewhere
                _write(upload, file, start, chunks)
                if upload.received == upload.size:
                    return _finish(upload)
            return upload
    except Upload.DoesNotExist as error:  # taken off the list this moment
        store.part_of(upload).unlink(missing_ok=True)
        raise Elsewhere from error
    except Refused as refusal:
        if refusal.code not in {"STORAGE_FULL", "BATCH_LOCKED"}:  # with those it may go on later
            uploads.refuse(upload.batch, upload.name, refusal, size=upload.size, row=upload)
            store.part_of(upload).unlink(missing_ok=True)
        raise


@contextmanager
def _opened(upload: Upload) -> Iterator[IO[bytes]]:
    handle = os.open(store.part_of(upload), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Elsewhere from error
        yield file


def _write(upload: Upload, file: IO[bytes], start: int, chunks: Iterable[bytes]) -> None:
    refuse_if_full(upload.size - start)
    file.truncate(start)
    file.seek(start)
    end = start
    for chunk in chunks:
        end += len(chunk)
        if end > upload.size:
            raise Refused("VALIDATION_ERROR", _("More came than was announced."))
        file.write(chunk)
    file.flush()
    os.fsync(file.fileno())
    if not start:
        durable.sync_folder(store.part_of(upload).parent)
        file.seek(0)
        if end >= sniff.HEAD:
            told(store.part_of(upload))
    upload.received = end
    Upload.objects.filter(pk=upload.pk).update(received=end)


def _finish(upload: Upload) -> Upload:
    part = store.part_of(upload)
    try:
        other = store.again(part)  # it is moved away, and whoever does that may be killed before the rows stand
    except FileNotFoundError as error:  # taken off the list this moment
        raise Elsewhere from error
    try:
        upload = uploads.take_received(upload, recognise(other))
    finally:
        other.unlink(missing_ok=True)
    part.unlink(missing_ok=True)
    return upload


def forget_old() -> None:
    """Files that were begun a day ago and never came to an end. Called by the sweeper, which clears away the parts."""
    for upload in Upload.objects.filter(status=S.RECEIVING, created_at__lt=timezone.now() - KEEP):
        part = store.part_of(upload)
        if not part.is_file() or time.time() - part.stat().st_mtime > KEEP.total_seconds():
            uploads.dismiss([upload])
