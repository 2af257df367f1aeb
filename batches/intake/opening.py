"""Files whose pages or members become cards step by step: containers, and duplicates that a person wants.

The row is the state, the held file what is opened: whoever comes along goes on where the last one was killed.
"""

import time
from collections.abc import Callable
from contextlib import closing

from django.utils.translation import gettext as _

from batches import changes
from batches.intake import adding, order, store
from batches.intake.alone import alone
from batches.intake.receiving import Received, Refused, told
from batches.models import Upload
from batches.states import BatchStatus
from batches.states import UploadStatus as S

HERE = 10.0  # seconds that whoever sent the file waits; then it goes on in the background


def due(batch_id: int | None = None) -> list[int]:
    """Files that wait to be opened, oldest first."""
    waiting = Upload.objects.filter(status=S.OPENING, batch__status=BatchStatus.DRAFT, batch__deleted_at=None)
    if batch_id is not None:
        waiting = waiting.filter(batch=batch_id)
    return list(waiting.order_by("pk").values_list("pk", flat=True))


def go_on(pk: int, may_go_on: Callable[[], bool]) -> bool:
    """Open the file as long as one may; True: it is done. Somebody else who opens it is left alone."""
    upload = Upload.objects.select_related("batch").filter(pk=pk, status=S.OPENING).first()
    if upload is None:
        return True
    with alone(store.opening_lock(upload)) as mine:
        if not mine:
            return False
        upload.refresh_from_db()
        if upload.status != S.OPENING:
            return True
        return _open(upload, may_go_on)


def within(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() < until


def _open(upload: Upload, may_go_on: Callable[[], bool]) -> bool:
    held, refusal = store.held(upload), None
    try:
        part = store.again(store.kept().local(held))  # steps move it away, and may be killed before they commit
        try:
            if not _step(upload, Received(part, told(part), upload.size, upload.sha256), may_go_on):
                return False
        finally:
            part.unlink(missing_ok=True)
    except FileNotFoundError:
        upload.batch.refresh_from_db()
        if store.kept().has(store.held(upload)):  # its folder was moved this moment: into the trash, out of it
            return False
        refusal = Refused("INTERNAL_ERROR", _("The file is missing."))
    except Refused as error:
        if error.code == "BATCH_LOCKED":  # started or deleted: it waits, in case that is undone
            return False
        refusal = error
    _end(upload, refusal)
    store.kept().remove([held])
    store.opening_lock(upload).unlink(missing_ok=True)
    order.settle_draft(upload.batch)
    return True


def _step(upload: Upload, received: Received, may_go_on: Callable[[], bool]) -> bool:
    """False: it was left off before its end. Raises Refused."""
    made = 0
    with closing(
        adding.steps(upload.batch, upload.name, received, client_key=_key(upload), columns={"upload": upload})
    ) as steps:
        for step in steps:
            made += len(step.cards)
            _keep(upload, step, made)
            if step.done < step.total and not may_go_on():
                return False
    return True


def _key(upload: Upload) -> str:
    """Of the cards: what an earlier run made is known by it."""
    return f"upload-{upload.pk}"


def _keep(upload: Upload, step: adding.Step, made: int) -> None:
    # A run that begins anew walks quickly over what an earlier one made: nobody wants to see that go backwards.
    done, made = max(step.done, upload.pages_done), max(made, upload.cards_made)
    progress = {"pages_done": done, "pages_total": step.total, "cards_made": made}
    with changes.locked(upload.batch) as change:
        Upload.objects.filter(pk=upload.pk).update(**progress)
        for member in step.refusals:
            Upload.objects.update_or_create(
                batch=change.batch,
                client_key=f"{_key(upload)}/{member.index}",
                defaults={
                    "parent": upload,
                    "name": f"{upload.name}: {member.name}"[-500:],
                    "status": S.REFUSED,
                    "code": member.code,
                    "message": member.message,
                },
            )


def _end(upload: Upload, refusal: Refused | None) -> None:
    with changes.locked(upload.batch) as change:
        made = change.batch.cards.filter(upload=upload).count()
        if not made and refusal is None:
            refusal = Refused("FILE_TYPE_INVALID", _("Nothing in it is a scan that can be read."))
        # Unless another machine, which went on while this one was cut off, has ended it.
        Upload.objects.filter(pk=upload.pk, status=S.OPENING).update(
            status=S.DONE if made else S.REFUSED,
            cards_made=made,
            code=refusal.code if refusal else "",
            message=refusal.message if refusal else "",
        )
