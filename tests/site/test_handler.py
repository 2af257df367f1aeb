"""A request stays in one thread, and a stream ends when nobody reads it any more."""

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import path
from django.utils import translation

from cardocr_site import handler

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

seen: list[Any] = []


class Watching:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        seen.append(threading.get_ident())
        return self.get_response(request)


def plain(request: HttpRequest) -> HttpResponse:
    connection.ensure_connection()
    seen.extend([threading.get_ident(), connection.connection, translation.get_language()])
    translation.activate("de")
    return HttpResponse(request.read())


async def endless() -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"more"
            await asyncio.sleep(0)
    finally:
        seen.append("ended")


def streaming(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(endless())


urlpatterns = [path("plain/", plain), path("streaming/", streaming)]


@pytest.fixture
def application(settings: Any, monkeypatch: pytest.MonkeyPatch) -> handler.Handler:
    monkeypatch.setattr(handler, "AT_ONCE", 1)  # or the next request takes a new thread where the first is still busy
    settings.MIDDLEWARE = [f"{__name__}.Watching"]
    settings.ALLOWED_HOSTS = ["*"]
    seen.clear()
    return handler.Handler()


def asked(
    application: handler.Handler, address: str, body: bytes = b"", *, leave_after: int = 0, **more: Any
) -> list[dict[str, Any]]:
    """The messages of the answer; whoever leaves does so after so many of them."""

    async def scenario() -> list[dict[str, Any]]:
        answered: list[dict[str, Any]] = []
        gone = asyncio.Event()
        sent = iter([{"type": "http.request", "body": body}])

        async def receive() -> dict[str, Any]:
            if (message := next(sent, None)) is not None:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            answered.append(message)
            if len(answered) == leave_after:
                gone.set()

        scope = {"type": "http", "method": "POST", "path": address, "query_string": b"", "headers": [], **more}
        await asyncio.wait_for(application(scope, receive, send), 20)
        return answered

    return async_to_sync(scenario)()


@pytest.mark.embedded  # a pool gives the next request another one
def test_middleware_and_view_share_a_thread_and_the_next_request_its_connection(application: handler.Handler) -> None:
    for _request in range(2):
        head, body = asked(application, "/plain/", b"what was sent")
        assert (head["status"], body["body"]) == (200, b"what was sent")

    outer, inner, first, language, *_outer, second, language_of_the_next = seen
    assert outer == inner != threading.get_ident()
    assert first is second
    assert language == language_of_the_next != "de"


def test_a_body_that_the_server_has_on_the_disk_is_not_copied(application: handler.Handler) -> None:
    body = io.BytesIO(b"on the disk")
    assert asked(application, "/plain/", **{handler.BODY: body})[1]["body"] == b"on the disk"
    assert body.closed


def test_whoever_goes_away_ends_a_stream(application: handler.Handler) -> None:
    head, *pieces = asked(application, "/streaming/", leave_after=3)
    assert head["status"] == 200
    assert {piece["body"] for piece in pieces} == {b"more"}
    assert seen[-1] == "ended"
