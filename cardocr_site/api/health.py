"""For monitors and balancers: whether the process lives, and whether it can do its work. Quick, and without secrets."""

import logging
import os
import shutil
from collections.abc import Callable
from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from huey.contrib.djhuey import HUEY
from ninja import Router, Schema

from batches.queries import consumers
from cardocr_site.accounts.models import User
from cardocr_site.api.errors import answer
from cardocr_site.contract import Refused, Reply, fails, reply

log = logging.getLogger(__name__)
router = Router(tags=["Health"])
AGAIN = 10  # seconds, a heartbeat of the consumer


class Alive(Schema):
    status: Literal["ok"] = "ok"


class Ready(Schema):
    """All are `ok`: where one is not, the answer is 503 with the same four in `details`."""

    database: Literal["ok"]
    queue: Literal["ok"]
    consumer: Literal["ok"]
    disk: Literal["ok"]


def _database() -> bool:
    User.objects.exists()
    return True


def _queue() -> bool:
    HUEY.pending_count()
    return True


def _disk() -> bool:
    return (
        os.access(settings.DATA_DIR, os.W_OK | os.X_OK)
        and shutil.disk_usage(settings.DATA_DIR).free > settings.MIN_FREE_BYTES
    )


PARTS: dict[str, Callable[[], bool]] = {
    "database": _database,
    "queue": _queue,
    "consumer": consumers.lives,
    "disk": _disk,
}


def state_of(part: str) -> str:
    try:
        return "ok" if PARTS[part]() else "failed"
    except Exception:
        log.warning("Not ready: %s", part, exc_info=True)  # why is for the log: it may name hosts and people
        return "failed"


def _ready() -> dict[str, Any]:
    """Raises Refused."""
    states: dict[str, str] = {}
    for part in PARTS:  # who reads stands in the database: asking it twice would take twice as long
        is_hopeless = part == "consumer" and states["database"] != "ok"
        states[part] = "failed" if is_hopeless else state_of(part)
    if set(states.values()) != {"ok"}:
        raise Refused("NOT_READY", _("Not ready: see the details, and “manage.py doctor”."), states, retry_after=AGAIN)
    return reply(states)


@router.get("/health", auth=None, response=Reply[Alive])
def get_health(request: HttpRequest) -> Any:
    """The web process lives. It asks nothing of anything else, needs no sign-in, and is at `/health`, too."""
    return reply({"status": "ok"})


@router.get("/health/ready", auth=None, response={200: Reply[Ready], **fails("NOT_READY")})
def get_ready(request: HttpRequest) -> Any:
    """Database, queue, the consumer's heartbeat and the disk are as they should be. As `/health/ready`, too."""
    return _ready()


@require_safe
def health(request: HttpRequest) -> HttpResponse:
    return JsonResponse(reply({"status": "ok"}))


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    try:
        return JsonResponse(_ready())
    except Refused as refused:
        return answer(refused)
