"""Limits to how often: the answer where one is passed, and the headers that say what is left."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from cardocr_site.accounts import rates
from cardocr_site.accounts.rates import Kind, Rate
from cardocr_site.api import errors


class RateMiddleware:
    """Counts sign-ins, uploads and starts of pages. Who calls the API is known where its token is looked up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        rate: Rate | None = getattr(request, "rate", None)
        if rate is None and _is_api(request):  # from somebody unknown, or to an address that is not there
            rate = rates.count(request, Kind.REQUESTS, None)
            if rate is not None and rate.passed:
                response.close()
                response = errors.answer(rates.refused(rate))
        if rate is not None:
            response.headers["X-RateLimit-Limit"] = str(rate.limit)
            response.headers["X-RateLimit-Remaining"] = str(rate.left)
            response.headers["X-RateLimit-Reset"] = str(rate.reset)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        kind = rates.kind_of(request)
        if kind is Kind.REQUESTS or (_is_api(request) and kind is not Kind.SIGN_INS):
            return None
        known = kind is not Kind.SIGN_INS and request.user.is_authenticated
        rate = rates.count(request, kind, request.user.pk if known else None)
        if rate is None or not rate.passed:
            return None
        return errors.answer(rates.refused(rate)) if _is_api(request) else _page(request, rate)


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def _page(request: HttpRequest, rate: Rate) -> HttpResponse:
    """Programs of a page get the sentence alone, and show it."""
    if request.headers.get("HX-Request") or request.headers.get("X-Requested-With"):
        response = HttpResponse(rates.message(rate), status=429, content_type="text/plain; charset=utf-8")
    else:
        response = render(request, "429.html", {"said": rates.message(rate)}, status=429)
    response.headers["Retry-After"] = str(rate.wait)
    return response
