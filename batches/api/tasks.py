"""Long work that was answered with 202: reading a batch, opening a container. Their rows tell how far they are."""

from typing import Any, Literal

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Router, Schema

from batches import progress
from batches.actions import runs
from batches.models import Batch, Upload
from batches.states import BatchStatus, UploadStatus
from cardocr_site.contract import Refused, Reply, fails, reply

router = Router(tags=["Long work"])

BATCH, FILE = "batch-", "file-"
TaskStatus = Literal["pending", "running", "paused", "completed", "failed", "cancelled"]
_OF_BATCH: dict[str, TaskStatus] = {
    BatchStatus.DRAFT: "pending",
    BatchStatus.QUEUED: "pending",
    BatchStatus.RUNNING: "running",
    BatchStatus.PAUSED: "paused",
    BatchStatus.CANCELLED: "cancelled",
    BatchStatus.COMPLETED: "completed",
    BatchStatus.FAILED: "failed",
}
OVER = {"completed", "failed", "cancelled"}


class TaskOut(Schema):
    task_id: str = Field(examples=["batch-7kq2mxw9ab"])
    task_type: Literal["read_batch", "open_file"]
    status: TaskStatus
    progress: int = Field(ge=0, le=100)
    result: dict[str, Any] | None
    error_message: str | None


def of_batch(batch: Batch) -> str:
    return f"{BATCH}{batch.uid}"


def of_upload(upload: Upload) -> str:
    return f"{FILE}{upload.pk}"


def batch_task(batch: Batch) -> dict[str, Any]:
    status = _OF_BATCH[batch.status]
    told = progress.of(batch)
    return {
        "task_id": of_batch(batch),
        "task_type": "read_batch",
        "status": status,
        "progress": 100 if status == "completed" else told.percent,
        "result": {"batch_id": batch.pk, "completed": batch.completed, "failed": batch.failed},
        "error_message": batch.pause_message or None,
    }


def _file_task(upload: Upload) -> dict[str, Any]:
    status: TaskStatus = "running" if upload.status == UploadStatus.OPENING else "completed"
    return {
        "task_id": of_upload(upload),
        "task_type": "open_file",
        "status": "failed" if upload.status == UploadStatus.REFUSED else status,
        "progress": upload.percent if status == "running" else 100,
        "result": {"batch_id": upload.batch_id, "cards": upload.cards_made},
        "error_message": upload.message if upload.status == UploadStatus.REFUSED else None,
    }


def _found(request: HttpRequest, task_id: str) -> Batch | Upload:
    """Raises Refused."""
    user: Any = request.user
    found: Batch | Upload | None = None
    if task_id.startswith(BATCH):
        uid = task_id.removeprefix(BATCH).replace("\x00", "")
        found = Batch.objects.visible_to(user).exclude(status=BatchStatus.DRAFT).filter(uid=uid).first()
    elif task_id.startswith(FILE) and (number := task_id.removeprefix(FILE)).isdecimal() and len(number) < 19:
        found = Upload.objects.visible_to(user).filter(pk=int(number), parent=None).first()
    if found is None:
        raise Refused("TASK_NOT_FOUND", _("There is no such task, or you may not know of it."))
    return found


def told(task: Batch | Upload) -> dict[str, Any]:
    return batch_task(task) if isinstance(task, Batch) else _file_task(task)


@router.get("/tasks/{task_id}", response={200: Reply[TaskOut], **fails("TASK_NOT_FOUND")})
def get_task(request: HttpRequest, task_id: str) -> Any:
    """How far some long work is."""
    return reply(told(_found(request, task_id)))


@router.post(
    "/tasks/{task_id}/cancel",
    response={200: Reply[TaskOut], **fails("TASK_NOT_FOUND", "TASK_ALREADY_COMPLETED", "BATCH_STATE_INVALID")},
)
def cancel_task(request: HttpRequest, task_id: str) -> Any:
    """Stop it. What is done stays. A file that is being opened cannot be stopped: take its cards out afterwards."""
    user: Any = request.user
    task = _found(request, task_id)
    now = told(task)
    if now["status"] in OVER:
        raise Refused("TASK_ALREADY_COMPLETED", _("This has ended already."), {"status": now["status"]})
    if isinstance(task, Upload):
        raise Refused("BATCH_STATE_INVALID", _("A file that is being opened cannot be stopped."), {"status": "running"})
    if not Batch.objects.editable_by(user).filter(pk=task.pk).exists():
        raise Refused("PERMISSION_DENIED", _("You may look at this batch, and not change it."))
    return reply(batch_task(runs.cancel(task, user)))
