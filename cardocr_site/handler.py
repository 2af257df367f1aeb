"""Django's requests, each in one thread from its first middleware to its answer.

Django's own handler walks the chain in the loop and goes into a thread of its own for every part of it that waits,
with a database connection made anew each time: 7 ms of CPU for a page that is not there, where this takes 2. A view
that ran in the loop would stop all others: there are none.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import FileResponse
from django.urls import set_script_prefix

from cardocr_site import log_lines, request_ids
from cardocr_site.accounts import addresses

AT_ONCE = 32  # requests; a file that is being opened keeps its thread for ten seconds
TOLD = "cardocr_told"  # of the message that begins an answer: who asked, for the access log
BODY = "cardocr.body"  # of the scope: the file that holds the body, where the server has one

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Handler(ASGIHandler):
    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="request")

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: IO[bytes] | None = scope.get(BODY)
        try:
            read = await self.read_body(receive)
        except RequestAborted:
            if body is not None:
                body.close()
            return
        if body is not None:
            read.close()
        response = await self._in_thread(self._answer, scope, read if body is None else body)
        send = _telling(send, response)
        if not response.streaming:
            await self.send_response(response, send)
            return
        try:
            await self._stream(response, receive, send)
        finally:
            await self._in_thread(response.close)

    async def _in_thread(self, work: Callable[..., Any], *arguments: object) -> Any:
        context = contextvars.copy_context()  # what a request leaves in there is not the next one's
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, work, *arguments)

    def _answer(self, scope: Scope, body: IO[bytes]) -> Any:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, problem = self.create_request(scope, body)
        if request is None:
            body.close()
        response: Any = problem if request is None else self.get_response(request)
        response._handler_class = self.__class__
        who = {"client": addresses.client_address(request)} if request is not None else {}
        setattr(response, TOLD, who | log_lines.of_request(request))
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        if not response.streaming:
            response.close()  # here, where its database connection is; the content stays
        return response

    async def _stream(self, response: Any, receive: Receive, send: Send) -> None:
        """Whoever goes away ends the work on what he has not got."""
        sending = asyncio.ensure_future(self.send_response(response, send))
        leaving = asyncio.ensure_future(receive())
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leaving, sending):
                task.cancel()
            await asyncio.wait([leaving, sending])
        if not sending.cancelled():
            sending.result()


def _telling(send: Send, response: Any) -> Send:
    """Give the server what only Django knows of a request."""
    told = {**getattr(response, TOLD), "request": response.headers.get(request_ids.HEADER)}

    async def sent(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, TOLD: told}
        await send(message)

    return sent
