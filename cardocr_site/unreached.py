"""A request that needs what lies on the object storage, while that does not answer: a page or an error that says so."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render

from batches.intake.unreachable import Unreachable

AGAIN_AFTER = 10  # seconds


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
