"""What programs sign in with: JSON Web Tokens of a sign-in, and tokens that a person makes for scripts."""

import datetime
import hashlib
import secrets
import uuid
from typing import Any

import jwt
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from cardocr_site.accounts.models import AccessToken, User

PREFIX = "cardocr_"
ALGORITHM = "HS256"
USED_EVERY = datetime.timedelta(minutes=1)  # how exactly it is known when a token was used last


class Invalid(Exception):
    """No token of ours, or one that was revoked."""


class Expired(Invalid):
    pass


def _key() -> bytes:
    return salted_hmac("cardocr.tokens", "signing", algorithm="sha256").digest()


def _mark(user: User) -> str:
    """Changes with the password, however that is changed."""
    return user.get_session_auth_hash()[:16]


def sign_in(user: User) -> tuple[str, datetime.datetime]:
    """A token for all that this person may do, and until when."""
    until = timezone.now() + datetime.timedelta(hours=settings.TOKEN_HOURS)
    AccessToken.objects.filter(kind=AccessToken.Kind.SIGN_IN, expires_at__lt=timezone.now()).delete()
    row = AccessToken.objects.create(
        user=user, kind=AccessToken.Kind.SIGN_IN, key=uuid.uuid4().hex, scope=AccessToken.Scope.ADMIN, expires_at=until
    )
    told = {"sub": str(user.pk), "jti": row.key, "exp": int(until.timestamp()), "iat": int(timezone.now().timestamp())}
    return jwt.encode({**told, "mark": _mark(user)}, _key(), algorithm=ALGORITHM), until.replace(microsecond=0)


def make(user: User, name: str, scope: str, days: int | None) -> tuple[AccessToken, str]:
    """A token for a script: its row, and the token itself, which nothing tells again."""
    token = PREFIX + secrets.token_urlsafe(32)
    until = None if days is None else timezone.now() + datetime.timedelta(days=days)
    row = AccessToken.objects.create(
        user=user, kind=AccessToken.Kind.SCRIPT, name=name, key=_hash(token), scope=scope, expires_at=until
    )
    return row, token


def of_scripts(user: User) -> QuerySet[AccessToken]:
    """Those that this person has made."""
    return AccessToken.objects.filter(user=user, kind=AccessToken.Kind.SCRIPT)


def _hash(token: str) -> str:
    """Not slowed down: nobody guesses 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def find(token: str) -> AccessToken:
    """The row of a token that holds, with its user. Raises Invalid, Expired."""
    row = _script(token) if token.startswith(PREFIX) else _signed_in(token)
    now = timezone.now()
    if row.expires_at is not None and row.expires_at <= now:
        raise Expired
    if not row.user.is_active:
        raise Invalid
    if row.last_used_at is None or now - row.last_used_at > USED_EVERY:
        AccessToken.objects.filter(pk=row.pk).update(last_used_at=now)
    return row


def _row(**wanted: Any) -> AccessToken:
    row = AccessToken.objects.select_related("user").filter(**wanted).first()
    if row is None:
        raise Invalid
    return row


def _script(token: str) -> AccessToken:
    return _row(kind=AccessToken.Kind.SCRIPT, key=_hash(token))


def _signed_in(token: str) -> AccessToken:
    try:
        told = jwt.decode(token, _key(), algorithms=[ALGORITHM], options={"require": ["exp", "sub", "jti", "mark"]})
    except jwt.ExpiredSignatureError as error:
        raise Expired from error
    except (jwt.InvalidTokenError, ValueError) as error:
        raise Invalid from error
    row = _row(kind=AccessToken.Kind.SIGN_IN, key=str(told["jti"]))
    if str(row.user_id) != told["sub"] or not secrets.compare_digest(str(told["mark"]), _mark(row.user)):
        raise Invalid
    return row
