"""What a view behind `login_required` gets."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from cardocr_site.accounts.models import User


class SignedInRequest(HttpRequest):
    user: User
    htmx: HtmxDetails
