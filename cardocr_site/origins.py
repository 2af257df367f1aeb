"""By a cookie, only our own pages open WebSockets: browsers send it along from any site, and no CSRF token."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from cardocr_site import log_context, request_ids

OURS = "cardocr.ours"  # of the scope: opened by one of our pages
FOR_PROGRAMS = "/api/"  # they bring a token

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


def same_origin(scope: Scope) -> bool:
    """The page's host and port are those it calls, or those of CARDOCR_URL."""
    headers = {name.lower(): value.decode("latin1") for name, value in scope.get("headers", [])}
    origin, host = headers.get(b"origin", "").lower(), headers.get(b"host", "").lower()
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    parts = urlsplit(origin)
    if parts.scheme not in {"http", "https"} or parts.netloc != host:
        return False
    return validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


class OurPagesOnly:
    """Takes the path in front of the site away before routing. Other origins are refused, except by what programs
    use: that is told which they are, and must not believe their cookies."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.denier: Application = WebsocketDenier.as_asgi()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        prefix = settings.SITE.path
        if prefix and scope["path"].startswith(f"{prefix}/"):
            scope = {**scope, "path": scope["path"].removeprefix(prefix)}
        given = dict(scope.get("headers", [])).get(request_ids.HEADER.lower().encode(), b"")
        log_context.add(request=request_ids.taken(given.decode("latin1")))
        ours = same_origin(scope)
        scope = {**scope, OURS: ours}
        application = self.application if ours or scope["path"].startswith(FOR_PROGRAMS) else self.denier
        await application(scope, receive, send)
