from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from cardocr_site.accounts import tries
from cardocr_site.accounts.addresses import client_address
from cardocr_site.accounts.models import User


class SlowingBackend(ModelBackend):
    """Name and password, five tries; whoever signs people in goes through here."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if username is None or password is None:
            return None
        address = client_address(request)
        if not tries.take(username, address):
            raise PermissionDenied
        user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is not None and user.source:
            return None  # whoever vouches for this person does so from outside, whatever password an administrator gave
        if user is not None:
            tries.forget(username, address)
        return user

    async def aauthenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)


class OutsideBackend(ModelBackend):
    """Keeps people in who have been vouched for from outside; asks nobody for a password."""

    def authenticate(self, request: HttpRequest | None, *args: Any, **kwargs: Any) -> None:
        return None

    async def aauthenticate(self, request: HttpRequest | None, *args: Any, **kwargs: Any) -> Any:
        return await sync_to_async(self.authenticate)(request, *args, **kwargs)


class ProxyBackend(OutsideBackend):
    """Its name in a session says that the session lasts only while the proxy names the same person."""
