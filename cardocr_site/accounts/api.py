"""Signing in, oneself, and tokens for scripts."""

from datetime import datetime
from typing import Any, Literal

from django.contrib.auth import authenticate
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema, Status

from cardocr_site.accounts import audit, joining, outside, tokens, tries, watching
from cardocr_site.accounts.addresses import client_address
from cardocr_site.accounts.authentication import need_scope
from cardocr_site.accounts.models import AccessToken, User
from cardocr_site.contract import (
    Closed,
    Listed,
    Paging,
    Refused,
    Reply,
    fails,
    invalid,
    listed,
    not_found,
    reply,
    tell_secret,
)

router = Router(tags=["Signing in"])


class Credentials(Closed):
    username: str = Field(max_length=150, examples=["ingrid"])
    password: str = Field(max_length=1000, examples=["a long sentence of your own"])


class SignedIn(Schema):
    token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105
    expires_at: datetime


@router.post(
    "/auth/login",
    auth=None,
    response={200: Reply[SignedIn], **fails("AUTH_INVALID", "PERMISSION_DENIED", "NOT_READY")},
)
def login(request: HttpRequest, data: Credentials) -> Any:
    """Sign in by name and password. The token holds for 24 hours."""
    address = client_address(request)
    until = tries.closed_until(data.username, address)
    if until is not None:
        watching.refused(data.username, request)
        seconds = max(1, round((until - timezone.now()).total_seconds()))
        raise Refused("RATE_LIMIT_EXCEEDED", _("Too many tries with this name: wait."), retry_after=seconds)
    user = authenticate(request, username=data.username, password=data.password)
    if not isinstance(user, User):
        sentence, later = outside.said(request)
        if later:
            raise Refused("NOT_READY", sentence, retry_after=30)
        raise Refused("AUTH_INVALID", sentence or _("That name and password do not go together."))
    if user.must_change_password:
        raise Refused("PERMISSION_DENIED", _("Choose a password of your own first, in the browser."))
    token, expires = tokens.sign_in(user)
    return reply({"token": token, "expires_at": expires})


@router.post("/auth/logout", response={200: Reply[None]})
def logout(request: HttpRequest) -> Any:
    """Revoke the token that this request is sent with."""
    header = request.headers.get("Authorization", "")
    if header:
        tokens.find(header.partition(" ")[2].strip()).delete()
        user: Any = request.user
        audit.record("sign_out", by=user, of=user, kind="user", name=user.get_username())
    return reply(None)


class Registration(Closed):
    username: str = Field(min_length=3, max_length=50, examples=["ingrid"])
    email: str = Field(max_length=254, examples=["ingrid@example.org"])
    password: str = Field(min_length=12, max_length=1000, examples=["a long sentence of your own"])


class Registered(Schema):
    user_id: str
    token: str


@router.post("/auth/register", auth=None, response={201: Reply[Registered], **fails("PERMISSION_DENIED")})
def register(request: HttpRequest, data: Registration) -> Any:
    """Make an account of one's own, where the site lets people do that."""
    try:
        user = joining.register(data.username, data.email, data.password)
    except joining.Closed as error:
        raise Refused("PERMISSION_DENIED", _("Accounts are made by an administrator here.")) from error
    except joining.Unfit as error:
        message = _("Some of what was sent is not right: see the details.")
        raise Refused("VALIDATION_ERROR", message, error.problems) from error
    return Status(201, reply({"user_id": str(user.pk), "token": tokens.sign_in(user)[0]}))


class TokenOut(Schema):
    id: int
    name: str
    scope: AccessToken.Scope
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class TokenMade(TokenOut):
    token: str = Field(description="Told this once.")


class TokenIn(Closed):
    name: str = Field(min_length=1, max_length=100, examples=["Nightly export"])
    scope: AccessToken.Scope = AccessToken.Scope.READ
    days: int | None = Field(365, ge=1, le=3650, description="How long it holds; null: until it is revoked.")


def _own(request: HttpRequest) -> Any:
    user: Any = request.user
    return tokens.of_scripts(user)


@router.get("/tokens", response=Reply[Listed[TokenOut]])
def list_tokens(request: HttpRequest, paging: Query[Paging]) -> Any:
    """One's own tokens for scripts, without the tokens themselves."""
    return reply(listed(_own(request), "-id", paging.cursor, paging.limit, total=_own(request).count()))


@router.post("/tokens", response={201: Reply[TokenMade]})
def create_token(request: HttpRequest, data: TokenIn) -> Any:
    """Make a token for a script. It is told this once."""
    if not data.name.strip():
        raise invalid("name", _("Say what it is for."))
    need_scope(request, data.scope)  # no token makes one for more
    user: Any = request.user
    row, token = tokens.make(user, data.name.strip(), data.scope, data.days)
    told = {field: getattr(row, field) for field in TokenOut.model_fields}
    return Status(201, tell_secret(request, told | {"token": token}))


@router.delete("/tokens/{int:token_id}", response={200: Reply[None]})
def delete_token(request: HttpRequest, token_id: int) -> Any:
    """Revoke one of one's own tokens, at once."""
    deleted, _rows = _own(request).filter(pk=token_id).delete() if token_id < 2**63 else (0, {})
    if not deleted:
        raise not_found()
    return reply(None)
