"""A POST that is sent twice with the same Idempotency-Key happens once."""

import datetime
import functools
import hashlib
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _

from cardocr_site.accounts.models import IdempotentReply, User
from cardocr_site.contract import Refused, invalid, tells_secret
from ocr import sealing
from ocr.errors import EngineMissing

HEADER = "Idempotency-Key"
SEALED = "sealed:"  # before an answer that told a secret, which lies nowhere in the clear
KEPT = datetime.timedelta(hours=24)
GIVEN_UP = datetime.timedelta(minutes=5)  # whoever worked on it has died


def once(run: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Around the function of a call, after its inputs were checked and its user is known."""

    @functools.wraps(run)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        key = request.headers.get(HEADER, "")
        user: Any = request.user
        if request.method != "POST" or not key or not user.is_authenticated:
            return run(request, *args, **kwargs)
        if len(key) > 200:
            raise invalid(HEADER, _("At most 200 characters."))
        earlier = _take(user, key, _hash(request))
        if isinstance(earlier, HttpResponse):
            return earlier
        request.idempotent_reply = earlier  # type: ignore[attr-defined]
        return run(request, *args, **kwargs)

    return guarded


def _hash(request: HttpRequest) -> str:
    told = hashlib.sha256(request.get_full_path().encode())
    if request.content_type == "application/json":  # files are not read twice
        told.update(request.body)
    return told.hexdigest()


def _take(user: User, key: str, sent: str) -> IdempotentReply | HttpResponse:
    """The row that the answer is to be written to, or the answer that was given. Raises Refused."""
    now = timezone.now()
    IdempotentReply.objects.filter(created_at__lt=now - KEPT).delete()
    try:
        with transaction.atomic():
            return IdempotentReply.objects.create(user=user, key=key, request=sent)
    except IntegrityError:
        row = IdempotentReply.objects.filter(user=user, key=key).first()
    if row is not None and row.request != sent:
        raise invalid(HEADER, _("This key was sent with another request: take a new one."))
    if row is not None and row.status is not None:
        response = HttpResponse(_opened(row.body), status=row.status, content_type="application/json; charset=utf-8")
        response.headers["Idempotent-Replayed"] = "true"
        return response
    if row is None or row.created_at < now - GIVEN_UP:
        IdempotentReply.objects.filter(user=user, key=key, status=None).delete()
        return _take(user, key, sent)
    raise Refused("RATE_LIMIT_EXCEEDED", _("The first request with this key is still worked on."), retry_after=1)


def _opened(body: str) -> str:
    """Raises Refused where the encryption key has changed since."""
    if not body.startswith(SEALED):
        return body
    try:
        return sealing.unseal(body.removeprefix(SEALED))
    except EngineMissing as error:
        raise invalid(HEADER, _("The answer to this key cannot be told again: take a new one.")) from error


class IdempotencyMiddleware:
    """Keeps the answer. One that failed here is not kept: the request may be sent again."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        row: IdempotentReply | None = getattr(request, "idempotent_reply", None)
        if row is None:
            return response
        if response.status_code >= 500 or response.streaming or not isinstance(response, HttpResponse):
            row.delete()
        else:
            row.status, row.body = response.status_code, response.content.decode()
            if tells_secret(request):
                row.body = SEALED + sealing.seal(row.body)
            row.save(update_fields=["status", "body"])
        return response
