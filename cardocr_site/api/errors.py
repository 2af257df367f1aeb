"""Every error in the envelope: ours, ninja's, Django's."""

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from batches.actions.rereadings import CannotReadAgain
from batches.actions.runs import CannotStart
from batches.changes import TransitionRefused
from batches.intake import receiving
from batches.intake.unreachable import Unreachable
from cardocr_site import request_ids
from cardocr_site.contract import STATUS_OF, Refused, envelope, not_found
from cardocr_site.unreached import AGAIN_AFTER, DATABASE
from templates_app import editing

log = logging.getLogger(__name__)

CODE_OF = {401: "AUTH_REQUIRED", 403: "PERMISSION_DENIED", 404: "RESOURCE_NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
CODE_OF |= {413: "FILE_TOO_LARGE", 429: "RATE_LIMIT_EXCEEDED", 500: "INTERNAL_ERROR", 503: "NOT_READY"}


def add_to(api: NinjaAPI) -> None:
    for error, handler in HANDLERS.items():
        api.add_exception_handler(error, handler)


def answer(refused: Refused) -> HttpResponse:
    response = JsonResponse(envelope(refused.code, refused.message, refused.details), status=refused.status)
    if refused.retry_after is not None:
        response.headers["Retry-After"] = str(refused.retry_after)
    if refused.status == STATUS_OF["AUTH_REQUIRED"]:
        response.headers["WWW-Authenticate"] = 'Bearer realm="cardocr"'
    return response


def of_status(status: int) -> Refused:
    """For an answer that Django gave, of which only the status is known."""
    code = CODE_OF.get(status, "INTERNAL_ERROR" if status >= 500 else "VALIDATION_ERROR")
    messages = {
        "AUTH_REQUIRED": _("Sign in first: send a token."),
        "PERMISSION_DENIED": _("You may not do that."),
        "METHOD_NOT_ALLOWED": _("This address does not take this method: see “Allow”."),
        "FILE_TOO_LARGE": _("That is more than is taken at once."),
        "RATE_LIMIT_EXCEEDED": _("Too many requests: wait a little."),
        "VALIDATION_ERROR": _("The request cannot be understood."),
        "NOT_READY": _("The database does not answer now: try again in a moment."),
        "INTERNAL_ERROR": _("Something went wrong here. Tell an administrator this request id: %(id)s")
        % {"id": request_ids.current()},
    }
    if code == "RESOURCE_NOT_FOUND":
        return not_found()
    details = {"request_id": request_ids.current()} if code == "INTERNAL_ERROR" else {}
    return Refused(code, messages[code], details)


def _refused(request: HttpRequest, error: Any) -> HttpResponse:
    return answer(error)


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    refused = of_status(error.status_code)
    if error.status_code == 400:  # a body that is no JSON
        refused.details = {"body": [_("This is no JSON object.")]}
    return answer(refused)


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    details: dict[str, list[str]] = defaultdict(list)
    for one in error.errors:
        details[_input(one)].append(str(one.get("msg", "")).removeprefix("Value error, "))
    return answer(Refused("VALIDATION_ERROR", _("Some of what was sent is not right: see the details."), dict(details)))


def _input(found: Mapping[str, Any]) -> str:
    """The name of an input as the caller knows it: without where it stands and what our function calls it."""
    where, *path = (str(part) for part in found.get("loc", ()))
    if where in {"body", "form", "query"} and len(path) > 1:
        path = path[1:]
    return ".".join(path) or where


def _domain(request: HttpRequest, error: Any) -> HttpResponse:
    """What the pages would say, too: it brings its code."""
    code = getattr(error, "code", "")
    details = {"status": error.status} if isinstance(error, TransitionRefused) else {}
    message = getattr(error, "message", "") or str(error)
    if isinstance(error, TransitionRefused):
        message = _("That cannot be done now: see the status.")
    return answer(Refused(code if code in STATUS_OF else "VALIDATION_ERROR", message, details))


def _unreached(request: HttpRequest, error: Any) -> HttpResponse:
    return answer(Refused("NOT_READY", error.message, retry_after=AGAIN_AFTER))


def _internal(request: HttpRequest, error: Exception) -> HttpResponse:
    log.error("Request %s: %s %s failed", request_ids.current(), request.method, request.path, exc_info=error)
    return answer(of_status(500))


def _without_database(request: HttpRequest, error: Any) -> HttpResponse:
    log.error("The database does not answer: %s", error)
    refused = of_status(503)
    refused.retry_after = AGAIN_AFTER
    return answer(refused)


HANDLERS: dict[type[Exception], Any] = {
    Refused: _refused,
    ValidationError: _invalid,
    HttpError: _http_error,
    Http404: lambda request, error: answer(not_found()),
    PermissionDenied: lambda request, error: answer(of_status(403)),
    RequestDataTooBig: lambda request, error: answer(of_status(413)),
    SuspiciousOperation: lambda request, error: answer(of_status(400)),
    MultiPartParserError: lambda request, error: answer(of_status(400)),  # such as one without a boundary
    Unreachable: _unreached,
    **dict.fromkeys(DATABASE, _without_database),
    Exception: _internal,
    **dict.fromkeys((TransitionRefused, CannotStart, CannotReadAgain, editing.Refused, receiving.Refused), _domain),
}
