"""What a view behind `login_required` gets."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django_htmx.middleware import HtmxDetails

from cardocr_site.accounts.models import User

Rest = ParamSpec("Rest")


class SignedInRequest(HttpRequest):
    user: User
    htmx: HtmxDetails


def operator_required(
    view: Callable[Concatenate[SignedInRequest, Rest], HttpResponse],
) -> Callable[Concatenate[SignedInRequest, Rest], HttpResponse]:
    """Below `login_required`: to make batches and templates takes an operator."""

    @wraps(view)
    def guarded(request: SignedInRequest, /, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
        if not request.user.runs:
            raise PermissionDenied(_("Only operators and administrators make batches and templates."))
        return view(request, *args, **kwargs)

    return guarded


def administrator_required(
    view: Callable[Concatenate[SignedInRequest, Rest], HttpResponse],
) -> Callable[Concatenate[SignedInRequest, Rest], HttpResponse]:
    """Below `login_required`: the people of the site are looked after by administrators."""

    @wraps(view)
    def guarded(request: SignedInRequest, /, *args: Rest.args, **kwargs: Rest.kwargs) -> HttpResponse:
        if not request.user.is_administrator:
            raise PermissionDenied(_("That is for administrators."))
        return view(request, *args, **kwargs)

    return guarded
