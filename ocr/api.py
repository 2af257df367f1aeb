"""Oneself, as programs see one: who one is, what one's batches are read with, keys of one's own."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Router, Schema

from cardocr_site.accounts.authentication import need_scope
from cardocr_site.accounts.models import AccessToken, User
from cardocr_site.contract import Closed, Reply, Text, invalid, not_found, reply
from ocr import people
from ocr.models import Engine, OwnKey, Preference

router = Router(tags=["Oneself"])


class MeOut(Schema):
    user_id: str
    username: str
    email: str
    role: str = Field(description="none, viewer, reviewer, operator or administrator.")
    preferred_engine: int | None = Field(description="The id of an engine; null: the one of the site.")
    preferred_model: str
    api_key_configured: bool = Field(description="Whether a key of one's own is stored for any engine.")
    created_at: datetime
    updated_at: datetime


class MeIn(Closed):
    """What is left out stays."""

    email: Text | None = Field(None, max_length=254, examples=["ingrid@example.org"])
    preferred_engine: int | None = Field(None, description="null: the one of the site.")
    preferred_model: Text | None = Field(None, max_length=200)


class KeyIn(Closed):
    key: Text = Field(min_length=1, max_length=people.LONGEST_KEY, examples=["sk-of-your-own"])


class KeyOut(Schema):
    engine_id: int
    set_at: datetime


def _me(user: User) -> dict[str, Any]:
    liked = Preference.objects.filter(user=user).first()
    return {
        "user_id": str(user.pk),
        "username": user.username,
        "email": user.email,
        "role": user.role or "none",
        "preferred_engine": liked.engine_id if liked else None,
        "preferred_model": liked.model if liked else "",
        "api_key_configured": OwnKey.objects.filter(user=user).exists(),
        "created_at": user.date_joined,
        "updated_at": people.changed_at(user),
    }


@router.get("/users/me", response=Reply[MeOut])
def get_me(request: HttpRequest) -> Any:
    """Who one is. No key is ever told."""
    user: Any = request.user
    return reply(_me(user))


@router.patch("/users/me", response=Reply[MeOut])
def change_me(request: HttpRequest, data: MeIn) -> Any:
    """Change one's address for mail (with a token for all that one may do), and what new batches are read with."""
    user: Any = request.user
    given = data.dict(exclude_unset=True)
    email = _email(request, given["email"] or "") if "email" in given else None
    if {"preferred_engine", "preferred_model"} & set(given):
        _prefer(user, given)
    if email is not None:
        user.email = email
        user.save(update_fields=["email", "updated_at"])
    return reply(_me(user))


def _email(request: HttpRequest, email: str) -> str:
    """Raises Refused: a password can be set anew by mail, so a token for less is not enough."""
    need_scope(request, AccessToken.Scope.ADMIN)
    try:
        if email:
            validate_email(email)
    except ValidationError as error:
        raise invalid("email", *error.messages) from error
    return email


def _prefer(user: User, given: dict[str, Any]) -> None:
    """Raises Refused. A model is one of an engine: another engine begins with its own."""
    liked = Preference.objects.filter(user=user).select_related("engine").first()
    engine, model = (liked.engine, liked.model) if liked else (None, "")
    if "preferred_engine" in given:
        wanted = given["preferred_engine"]
        found = _engine(wanted) if wanted is not None else None
        if wanted is not None and found is None:
            raise invalid("preferred_engine", _("There is no such engine, or it is not in use."))
        engine, model = found, model if found == engine else ""
    if "preferred_model" in given:
        model = given["preferred_model"] or ""
        if model and engine is None:
            raise invalid("preferred_model", _("Choose an engine first."))
    try:
        people.prefer(user, engine, model)
    except ValueError as error:
        raise invalid("preferred_model", str(error)) from error


def _engine(engine_id: int) -> Engine | None:
    return Engine.objects.filter(pk=engine_id, enabled=True).first() if abs(engine_id) < 2**63 else None


@router.put("/users/me/keys/{int:engine_id}", response=Reply[KeyOut])
def set_my_key(request: HttpRequest, engine_id: int, data: KeyIn) -> Any:
    """Store a key of one's own for an engine, instead of the one there was. It is told to nobody, oneself included."""
    need_scope(request, AccessToken.Scope.ADMIN)
    user: Any = request.user
    engine = _engine(engine_id)
    if engine is None:
        raise not_found()
    try:
        kept = people.set_key(user, engine, data.key)
    except ValueError as error:
        raise invalid("key", str(error)) from error
    return reply({"engine_id": engine.pk, "set_at": kept.set_at})


@router.delete("/users/me/keys/{int:engine_id}", response=Reply[None])
def delete_my_key(request: HttpRequest, engine_id: int) -> Any:
    """Forget one's own key for an engine: from then on the engine's own one is used."""
    need_scope(request, AccessToken.Scope.ADMIN)
    user: Any = request.user
    if not (engine_id < 2**63 and people.remove_key(user, engine_id)):
        raise not_found()
    return reply(None)
