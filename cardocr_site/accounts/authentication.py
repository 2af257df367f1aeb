"""Who a program is: by the Authorization header alone, otherwise by the browser's session and its CSRF token."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from cardocr_site.accounts import rates, tokens
from cardocr_site.accounts.models import AccessToken, User
from cardocr_site.contract import Refused

SAFE = {"GET", "HEAD", "OPTIONS"}
_ORDER = [str(scope) for scope in (AccessToken.Scope.READ, AccessToken.Scope.WRITE, AccessToken.Scope.ADMIN)]


class Authentication(AuthBase):
    """One callable decides: two in a row answer a valid token with the refusal of the first."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = (
        "A token of POST /auth/login or one made on the profile page. A signed-in browser sends its session cookie "
        "instead, and with everything but GET the CSRF token as X-CSRFToken."
    )

    def __call__(self, request: HttpRequest) -> User:
        """The person; sets `request.user` and `request.scope_of_token`. Raises Refused."""
        header = request.headers.get("Authorization", "")
        user, scope = self._by_token(header) if header else self._by_session(request)
        rate = rates.count(request, rates.kind_of(request), user.pk)
        if rate is not None and rate.passed:
            raise rates.refused(rate)
        if user.must_change_password:
            raise Refused("PERMISSION_DENIED", _("Choose a password of your own first, in the browser."))
        request.user = user
        request.scope_of_token = scope  # type: ignore[attr-defined]
        if request.method not in SAFE:
            need_scope(request, AccessToken.Scope.WRITE)
        return user

    def _by_token(self, header: str) -> tuple[User, str]:
        kind, _space, token = header.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Refused("AUTH_INVALID", _("Send “Authorization: Bearer” and a token."))
        try:
            row = tokens.find(token.strip())
        except tokens.Expired as error:
            raise Refused("AUTH_EXPIRED", _("This token has expired: sign in again.")) from error
        except tokens.Invalid as error:
            raise Refused("AUTH_INVALID", _("This token is not known here, or was revoked.")) from error
        return row.user, row.scope

    def _by_session(self, request: HttpRequest) -> tuple[User, str]:
        user: Any = request.user
        if not user.is_authenticated:
            raise Refused("AUTH_REQUIRED", _("Sign in first: send a token."))
        if request.method not in SAFE and check_csrf(request) is not None:
            raise Refused("PERMISSION_DENIED", _("Send the CSRF token of the page as X-CSRFToken."))
        return user, str(AccessToken.Scope.ADMIN)


def need_scope(request: HttpRequest, scope: AccessToken.Scope) -> None:
    """Raises Refused where the token was made for less."""
    has = getattr(request, "scope_of_token", str(AccessToken.Scope.READ))
    if _ORDER.index(has) < _ORDER.index(str(scope)):
        message = _("This token is for less: make one with the scope “%(scope)s”.") % {"scope": scope.label}
        raise Refused("PERMISSION_DENIED", message, {"scope": has, "needed": str(scope)})


def need_administrator(request: HttpRequest) -> None:
    """Raises Refused."""
    user: Any = request.user
    if not user.is_administrator:
        raise Refused("PERMISSION_DENIED", _("That is for administrators."))
    need_scope(request, AccessToken.Scope.ADMIN)
