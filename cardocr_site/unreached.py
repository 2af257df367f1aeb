"""A request that needs the database or the object storage while that does not answer: a page that says so."""

import sys
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.defaults import server_error

from batches.intake.unreachable import Unreachable

AGAIN_AFTER = 10  # seconds
DATABASE = (OperationalError, InterfaceError)  # it is gone, restarts, hangs, or has no connection left


class UnreachedMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        if not isinstance(error, Unreachable):
            return None
        answer = render(request, "503.html", {"said": error.message}, status=503)
        answer.headers["Retry-After"] = str(AGAIN_AFTER)
        return answer


def went_wrong(request: HttpRequest) -> HttpResponse:
    """Django's handler of what nobody caught, wherever it was raised: who is signed in is asked for before any page."""
    if not isinstance(sys.exc_info()[1], DATABASE):
        return server_error(request)
    is_asked_again = request.method == "GET"  # what was sent is sent again by whoever sent it
    page = render_to_string("503_database.html", {"is_asked_again": is_asked_again})
    answer = HttpResponse(page, status=503, headers={"Retry-After": AGAIN_AFTER})
    if is_asked_again:
        answer.headers["Refresh"] = str(AGAIN_AFTER)
    return answer
