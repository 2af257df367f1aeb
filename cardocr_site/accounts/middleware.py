from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _
from django_htmx.http import HttpResponseClientRedirect

ALLOWED = {"password_change", "logout", "login", "reset", "set_language"}


class MustChangePasswordMiddleware(MiddlewareMixin):
    """Until the first password has been changed, every page is the page that changes it."""

    get_response: Callable[[HttpRequest], HttpResponseBase]

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        match = request.resolver_match
        if (
            match is None
            or match.view_name in ALLOWED
            or "api" in match.namespaces
            or not getattr(request.user, "must_change_password", False)
        ):
            return None
        if request.headers.get("HX-Request"):
            return HttpResponseClientRedirect(reverse("password_change"))
        messages.info(request, _("Choose a password of your own first."))
        return redirect("password_change")
