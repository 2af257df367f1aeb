"""Below /api/ whatever Django answers by itself has the envelope, too: 404, 405, a refused host."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from cardocr_site.api import errors

JSON = "application/json"
KEPT = {"Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}


class EnvelopeMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not request.path_info.startswith("/api/") or response.status_code < 400:
            return response
        if response.headers.get("Content-Type", "").startswith(JSON):
            return response
        replaced = errors.answer(errors.of_status(response.status_code))
        replaced.status_code = response.status_code if response.status_code != 400 else replaced.status_code
        for name in KEPT & set(response.headers):
            replaced.headers[name] = response.headers[name]
        if "Allow" in response.headers:
            replaced.headers["Allow"] = ", ".join(sorted(response.headers["Allow"].split(", ")))
        return replaced
