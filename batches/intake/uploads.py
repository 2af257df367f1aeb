"""What came of each file that was sent: a row, in the transaction that makes its cards, or with its refusal.

The same file sent again under its key stands once. The same bytes under another key are held back as a duplicate
until a person decides.
"""

import errno
import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from batches import changes
from batches.intake import adding, entering, names, sniff, store
from batches.intake.entering import Entry, Sender, stands
from batches.intake.receiving import Received, Refused, receive, recognise
from batches.intake.unreachable import Unreachable
from batches.models import Batch, Upload
from batches.states import UploadStatus as S

KEY = 64  # characters


def key_of(sent: str) -> str:
    """A key of any length in one that fits."""
    sent = sent.replace("\x00", "")
    return sent if len(sent) <= KEY else hashlib.sha256(sent.encode(errors="replace")).hexdigest()


def take(
    batch: Batch,
    name: str,
    sent: Iterable[bytes] | Path,
    *,
    client_key: str = "",
    size: int = 0,
    sender: Sender | None = None,
) -> Upload:
    """Take a file in. File and row survive a crash once this has returned; one that may take long is being opened.

    `sent`: its bytes, or where they lie already; from there they are moved away.

    Raises Refused where the batch takes no files at all; a refusal of this file is a row like any other outcome.
    """
    entry = Entry(batch, name, key_of(client_key), sender=sender)
    part = sent if isinstance(sent, Path) else store.part()
    try:
        adding.refuse_unless_open(batch)
        return enter(entry, recognise(part, sync=True) if isinstance(sent, Path) else receive(part, sent))
    except (Refused, OSError) as error:
        return refuse(batch, name, _refusal(error), client_key=client_key, size=size)
    finally:
        part.unlink(missing_ok=True)


def take_received(upload: Upload, received: Received) -> Upload:
    """As take, for a file that has come in parts and has its row. Raises Refused where the batch takes none."""
    entry = Entry(upload.batch, upload.name, upload.client_key, row=upload)
    try:
        return enter(entry, received)
    except Unreachable as error:  # what has come stays, and is not sent again
        raise _refusal(error) from error
    except (Refused, OSError) as error:
        return refuse(upload.batch, upload.name, _refusal(error), size=upload.size, row=upload)


def enter(entry: Entry, received: Received) -> Upload:
    if received.format is sniff.ZIP or received.size > settings.MAX_IMAGE_BYTES:
        entry.hold(received)
    else:
        entering.enter(entry, adding.Ready(entry.name, received, adding.pages_of(received)))
    return entry.row


def _refusal(error: Refused | OSError) -> Refused:
    """Of this file alone; everything else is raised again."""
    if isinstance(error, Refused) and error.code != "BATCH_LOCKED":
        return error
    if isinstance(error, Unreachable):
        return Refused(
            "STORAGE_FULL", _("%(why)s The file was not kept: send it again later.") % {"why": error.message}
        )
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Refused("STORAGE_FULL", _("The disk of this server is full: the file was not kept."))
    raise error


def refuse(
    batch: Batch, name: str, refusal: Refused, *, client_key: str = "", size: int = 0, row: Upload | None = None
) -> Upload:
    """Note a file that is not taken. Raises Refused where the batch takes no files at all."""
    key = key_of(client_key)
    with changes.locked(batch) as change:
        adding.refuse_unless_open(change.batch)
        upload = row or _row(change.batch, key)
        if upload is None or (row is None and stands(upload)):
            upload = Upload(batch=change.batch, client_key="" if upload else key)
        upload.name, upload.size = names.shown(name) or "?", size
        upload.status, upload.code, upload.message = S.REFUSED, refusal.code, refusal.message
        upload.dismissed, upload.cards_made = False, 0
        upload.save()
    return upload


def standing(batch: Batch, client_key: str) -> Upload | None:
    """The row of a file that is there already."""
    upload = _row(batch, key_of(client_key))
    return upload if upload is not None and stands(upload) else None


def _row(batch: Batch, key: str) -> Upload | None:
    return Upload.objects.filter(batch=batch, client_key=key).first() if key else None


def want(upload: Upload) -> bool:
    """A person wants the duplicate, too: it is opened like a container. Twice is once. Raises Refused."""
    with changes.locked(upload.batch) as change:
        adding.refuse_unless_open(change.batch)
        duplicates = change.batch.uploads.filter(pk=upload.pk, status=S.DUPLICATE)
        return bool(duplicates.update(status=S.OPENING, message="", dismissed=False))


def dismiss(uploads: Iterable[Upload]) -> None:
    """Take files that were not added off the list; the bytes of a duplicate or of an unfinished one go."""
    for upload in uploads:
        if upload.status == S.RECEIVING:
            Upload.objects.filter(pk=upload.pk, status=S.RECEIVING).delete()
            store.part_of(upload).unlink(missing_ok=True)
        elif upload.status in {S.REFUSED, S.DUPLICATE}:
            Upload.objects.filter(pk=upload.pk, status=upload.status).update(dismissed=True)
            if not Upload.objects.filter(pk=upload.pk, dismissed=False).exists():  # nobody wants it this moment
                store.forget_held(upload.batch, upload.pk)


def forget_strays(older_than: float) -> None:
    """Held files, so many seconds old, whose rows a crash cut off, or that stand as scans by now."""
    old = [path for path in store.all_held() if time.time() - store.kept().dated(path) > older_than]
    waiting = Upload.objects.filter(status__in=[S.OPENING, S.DUPLICATE], dismissed=False)
    wanted = {str(pk) for pk in waiting.values_list("pk", flat=True)} if old else set()
    store.kept().remove([path for path in old if path.name not in wanted])
