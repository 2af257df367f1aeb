"""How many requests a minute: of each person, and of each address that nobody has signed in from.

Counted in the cache `rates`: over all web processes with Redis, otherwise in the memory of the one, where a restart
forgets them, which is of no harm. The same holds while a Redis is gone: nobody is locked out for it.
"""

import time
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from django.utils.translation import gettext as _

from cardocr_site.accounts.addresses import client_address
from cardocr_site.contract import Refused

WINDOW = 60  # seconds


class Kind(StrEnum):
    SIGN_INS = "sign_ins"
    UPLOADS = "uploads"
    STARTS = "starts"
    REQUESTS = "requests"


# What is sent to these routes counts as such; anything else below /api/ is a request like any.
ROUTES = {
    Kind.SIGN_INS: {
        "accounts/login/",
        "accounts/register/",
        "accounts/invitation/<str:token>/",
        "accounts/forgotten/",
        "accounts/reset/<uidb64>/<token>/",
        "api/v1/auth/login",
        "api/v1/auth/register",
    },
    Kind.UPLOADS: {
        "batches/<int:pk>/files/",
        "batches/<int:pk>/parts/",
        "batches/<int:pk>/cards/<int:card_pk>/scan/",
        "api/v1/batches/<batch_id>/images",
    },
    Kind.STARTS: {
        "batches/<int:pk>/start/",
        "batches/<int:pk>/resume/",
        "batches/<int:pk>/retry/",
        "batches/<int:pk>/again/",
        "batches/<int:pk>/try/",
        "batches/<int:pk>/rest/read/",
        "batches/<int:pk>/cards/<int:card_pk>/retry/",
        "batches/<int:pk>/cards/<int:card_pk>/read/",
        "engines/<int:pk>/test/",
        "api/v1/batches/<batch_id>/start",
        "api/v1/batches/<batch_id>/resume",
        "api/v1/batches/<batch_id>/retry",
        "api/v1/batches/<batch_id>/retry-image/<filename>",
        "api/v1/batches/<batch_id>/reread",
        "api/v1/batches/<batch_id>/try",
        "api/v1/engines/<int:engine_id>/test",
    },
}
_KIND_OF = {route: kind for kind, routes in ROUTES.items() for route in routes}


@dataclass(frozen=True)
class Rate:
    """What one may do, what is left of it, and the second since 1970 from which it is whole again."""

    limit: int
    number: int
    reset: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.number)

    @property
    def passed(self) -> bool:
        return self.number > self.limit

    @property
    def wait(self) -> int:
        return max(1, self.reset - int(time.time()))


def kind_of(request: HttpRequest) -> Kind:
    match = request.resolver_match
    if request.method != "POST" or match is None:
        return Kind.REQUESTS
    return _KIND_OF.get(match.route, Kind.REQUESTS)


def message(rate: Rate) -> str:
    return _("That is more than %(limit)d in a minute: go on in %(seconds)d seconds.") % {
        "limit": rate.limit,
        "seconds": rate.wait,
    }


def count(request: HttpRequest, kind: Kind, user_pk: UUID | None) -> Rate | None:
    """One more. None: there is no limit. The request remembers what was found, for the headers of its answer."""
    limit: int = settings.RATES[kind]
    if not limit:
        return None
    who = f"user:{user_pk}" if user_pk is not None else f"from:{quote(client_address(request), safe=':/.')}"
    window = int(time.time()) // WINDOW
    rate = Rate(limit, _increase(f"{kind}:{who}:{window}"), (window + 1) * WINDOW)
    request.rate = rate  # type: ignore[attr-defined]
    return rate


def _increase(key: str) -> int:
    cache = caches["rates"]
    for _try in range(3):  # it may be emptied, or taken over by the process, between two of these steps
        try:
            return cache.incr(key)
        except ValueError:
            if cache.add(key, 1, timeout=2 * WINDOW):
                break
    return 1


def refused(rate: Rate) -> Refused:
    return Refused("RATE_LIMIT_EXCEEDED", message(rate), {"limit": rate.limit}, retry_after=rate.wait)
