"""A name for each request: on its answer, in its errors, in the log."""

import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._-]{8,64}")
_current: ContextVar[str] = ContextVar("request_id", default="-")


def current() -> str:
    """Of the request that this thread answers; a dash outside of one."""
    return _current.get()


class RequestIdMiddleware:
    """Takes over the one that a proxy or a client has given, where it is a plain word."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get(HEADER, "")
        token = _current.set(given if _SANE.fullmatch(given) else secrets.token_hex(8))
        try:
            response = self.get_response(request)
            response.headers[HEADER] = current()
        finally:
            _current.reset(token)
        return response


class InLog(logging.Filter):
    """Lets a format say `{request_id}`."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current()
        return True
