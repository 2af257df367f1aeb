"""Single sign-on by a header of the proxy in front: only a peer in CARDOCR_TRUSTED_PROXIES may send it."""

import re
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, login, logout
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

from cardocr_site.accounts import outside, watching
from cardocr_site.accounts.addresses import from_trusted_proxy
from cardocr_site.accounts.models import User

BACKEND = "cardocr_site.accounts.backends.ProxyBackend"
LEFT_ALONE = {
    "login",
    "logout",
    "register",
    "invitation",
    "password_forgotten",
    "reset",
    "set_language",
    "oidc",
    "oidc_callback",
}  # so that local accounts have a door, too


def named(request: HttpRequest) -> str:
    """Whom the proxy vouches for; empty where no header is set, none came, or somebody else sent it."""
    return _sent(request, settings.REMOTE_USER_HEADER)


def claimed(request: HttpRequest) -> str:
    """Whom somebody names who may not."""
    header = settings.REMOTE_USER_HEADER
    return "" if not header or from_trusted_proxy(request) else request.headers.get(header, "").strip()


def _groups(request: HttpRequest) -> list[str] | None:
    """Proxies write them with commas, semicolons or bars between."""
    header = settings.REMOTE_GROUPS_HEADER
    return [part.strip() for part in re.split(r"[,;|]", _sent(request, header)) if part.strip()] if header else None


def _sent(request: HttpRequest, header: str) -> str:
    if not header or not from_trusted_proxy(request):
        return ""
    value = request.headers.get(header, "").strip()
    try:
        return value.encode("latin-1").decode()  # as bytes on the wire; proxies write UTF-8
    except UnicodeError:
        return value


class RemoteUserMiddleware(MiddlewareMixin):
    """Signs in whom the proxy names, and out again once it names nobody or another."""

    get_response: Callable[[HttpRequest], HttpResponseBase]

    def process_view(self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any) -> None:
        match = request.resolver_match
        name = named(request)
        by_proxy = request.session.get(BACKEND_SESSION_KEY) == BACKEND
        if by_proxy and not self._still(request.user, name):
            logout(request)
        # A session of a local account goes on, and a program that sends a token is whom the token names.
        said = name or claimed(request)
        if not said or request.user.is_authenticated or request.headers.get("Authorization", "").startswith("Bearer "):
            return
        if match is not None and match.view_name in LEFT_ALONE:
            return
        if name:
            self._sign_in(request, name)
        else:
            watching.turned_away(said, "untrusted", request)

    def _still(self, user: Any, name: str) -> bool:
        return user.is_authenticated and (user.get_username(), user.source) == (name, User.Source.PROXY)

    def _sign_in(self, request: HttpRequest, name: str) -> None:
        try:
            user = outside.take(name, User.Source.PROXY, _groups(request))
        except outside.Turned as turned:
            watching.turned_away(name, turned.why, request)
            raise PermissionDenied(str(turned)) from turned
        login(request, user, backend=BACKEND)
