"""A batch followed over plain HTTP, as Server-Sent Events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import translation
from django.utils.translation import gettext as _
from ninja import Field, Header, Query, Router, Schema

from batches.api import following, found
from batches.api.following import Caller, Follower, Form
from batches.live import places
from batches.live.audience import BEAT, Seat
from cardocr_site.contract import Refused, invalid

router = Router(tags=["Batches"])

HEARTBEAT = ": heartbeat\n"
HEADERS = {
    "Cache-Control": "private, no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx would keep events back until it has some kilobytes
}
EXAMPLE = 'event: progress\nid: 17\ndata: {"batch_id": 3, "status": "running", …}\n\n'


# For the description alone: cursor_of says what is wrong in words.
CURSOR: dict[str, Any] = {"pattern": r"^(\d{1,18}(\.\d{1,18})?(\.done)?)?$"}


class StreamAsked(Schema):
    since: str = Field(
        "",
        max_length=60,
        description="As Last-Event-ID, for whoever cannot send that header.",
        json_schema_extra=CURSOR,
    )


class StreamHeaders(Schema):
    last_event_id: str = Field(
        "",
        alias="Last-Event-ID",
        max_length=60,
        description="The `id` of the last event, or a version: what came up to there is not sent again.",
        json_schema_extra=CURSOR,
    )


@router.get(
    "/batches/{batch_id}/progress",
    response={200: None},
    openapi_extra={
        "responses": {
            200: {
                "description": "The stream",
                "content": {"text/event-stream": {"schema": {"type": "string"}, "example": EXAMPLE}},
            },
            204: {"description": "Over, and `done` was told: do not come again", "content": {}},
        }
    },
)
def follow_batch(request: HttpRequest, batch_id: str, asked: Query[StreamAsked], headers: Header[StreamHeaders]) -> Any:
    """Server-Sent Events until the batch is over.

    `progress`: the progress object, at most four a second. `result`: a card that was read, failed, skipped or stopped,
    or that has changed since. `done`: the batch is over; its data is the last progress. A comment every 30 seconds.
    Without a Last-Event-ID the results so far come first.
    """
    batch = found.visible(request, batch_id)
    text, name = (headers.last_event_id, "Last-Event-ID") if headers.last_event_id else (asked.since, "since")
    cursor = following.cursor_of(text)
    if cursor is None:
        raise invalid(name, _("Send the “id” of the last event as it came, or a version of the batch."))
    if following.has_heard_all(batch, text):
        return HttpResponse(status=204)
    follower = Follower(batch.pk, cursor, Form.EVENTS, translation.get_language())
    if places.full(request.user.pk):
        raise Refused("RATE_LIMIT_EXCEEDED", _too_many(), {"limit": settings.MAX_STREAMS}, retry_after=30)
    stream = _events(follower, _caller(request), request.user.pk)
    return StreamingHttpResponse(stream, content_type="text/event-stream; charset=utf-8", headers=HEADERS)


def _too_many() -> str:
    return _("You have %(limit)d live pages and streams open, which is as many as there may be: close some.") % {
        "limit": settings.MAX_STREAMS
    }


def _caller(request: HttpRequest) -> Caller:
    """Whoever the call's authentication has let in."""
    header = request.headers.get("Authorization", "")
    if header:
        return Caller(token=header.partition(" ")[2].strip())
    return Caller(session_key=request.session.session_key)


async def _events(follower: Follower, caller: Caller, person: Any) -> AsyncIterator[bytes]:
    """Holds no thread: what is new is put into a queue by the audience."""
    if not await places.take(person):  # others were as quick
        return
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    async def send(text: str) -> None:
        queue.put_nowait(HEARTBEAT if text == BEAT else text)
        await queue.join()  # until it was taken: nothing new is drawn before

    async def close(code: int) -> None:
        queue.put_nowait(None)

    seat = Seat(follower, send, close, caller.access)
    audience = following.join(seat)
    try:
        while (text := await queue.get()) is not None:
            yield f"{text}\n".encode()
            queue.task_done()
    finally:
        audience.leave(seat)
        places.give_back(person)
