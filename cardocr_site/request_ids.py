"""A name for each request: on its answer, in its errors, in the log, and in what it asks the consumer to do."""

import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
NONE = "-"
_SANE = re.compile(r"[A-Za-z0-9._-]{8,64}")
_current: ContextVar[str] = ContextVar("request_id", default=NONE)


def current() -> str:
    """Of the request that this thread answers; a dash outside of one."""
    return _current.get()


def taken(given: str) -> str:
    """The one that a proxy or a client has given, where it is a plain word; otherwise a new one."""
    return given if _SANE.fullmatch(given) else secrets.token_hex(8)


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = _current.set(taken(request.headers.get(HEADER, "")))
        try:
            response = self.get_response(request)
            response.headers[HEADER] = current()
        finally:
            _current.reset(token)
        return response
