"""People whom somebody else vouches for: their accounts are made at their first sign-in."""

from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from cardocr_site import signon
from cardocr_site.accounts.models import User

# What a person is called, by claim, and how long it may be: taken over at the first sign-in alone.
TOLD = {"first_name": ("given_name", 150), "last_name": ("family_name", 150), "email": ("email", 254)}


class Turned(Exception):
    """Away, with a sentence for the person, and a word for the audit log."""

    def __init__(self, sentence: str, why: str = "name") -> None:
        super().__init__(sentence)
        self.why = why


def say(request: HttpRequest | None, sentence: str, *, later: bool = False) -> None:
    """Why Django's `authenticate` lets nobody in, for who asked it. `later`: it may go well another time."""
    if request is not None:
        request._why_turned = (sentence, later)  # type: ignore[attr-defined]


def said(request: HttpRequest | None) -> tuple[str, bool]:
    found: tuple[str, bool] = getattr(request, "_why_turned", ("", False))
    return found


def take(
    name: str, source: User.Source, groups: Collection[str] | None = None, told: Mapping[str, Any] | None = None
) -> User:
    """The account of this name, made where there is none, as its groups say (None: nothing is said). Raises Turned."""
    _need_name(name)
    return again(_find(name, source) or _make(name, source, told or {}), source, groups)


def again(user: User, source: User.Source, groups: Collection[str] | None) -> User:
    """At each sign-in of an account that is known. Raises Turned."""
    name = user.username
    if user.source != source:
        raise Turned(_("The account “%(name)s” signs in another way. Ask an administrator.") % {"name": name}, "source")
    if not user.is_active:
        message = _("The account “%(name)s” has been deactivated. Ask an administrator.")
        raise Turned(message % {"name": name}, "inactive")
    if groups is not None:
        with transaction.atomic():
            _follow(user, set(groups))
    return user


def gone(name: str, source: User.Source) -> None:
    """Nobody outside has this name any more: what groups had brought goes."""
    user = User.objects.filter(username__iexact=name, source=source).first()
    if user is not None and (user.role_by_group or user.outside_groups):
        with transaction.atomic():
            _follow(user, set())


def _need_name(name: str) -> None:
    try:
        User._meta.get_field("username").clean(name, None)
    except ValidationError as error:
        message = _("“%(name)s” cannot be a user name here: letters, digits and @ . + - _ alone, up to 150.")
        raise Turned(message % {"name": name[:150]}) from error


def _find(name: str, source: User.Source) -> User | None:
    """Never one that comes from elsewhere; names that differ in case alone are too much alike for two people."""
    user = User.objects.filter(username=name).first() or User.objects.filter(username__iexact=name).first()
    if user is None:
        return None
    if user.source != source:
        message = _(
            "There is an account “%(name)s” here already that signs in another way. "
            "An administrator can give it another name, or say under Administration, Users, that it signs in this way."
        )
        raise Turned(message % {"name": user.username}, "source")
    if user.username != name:
        message = _("You are called “%(name)s”, and there is an account “%(other)s” here. Ask an administrator.")
        raise Turned(message % {"name": name, "other": user.username})
    return user


def _make(name: str, source: User.Source, told: Mapping[str, Any]) -> User:
    user = User(username=name, source=source, role=settings.DEFAULT_ROLE)
    for field, (claim, longest) in TOLD.items():
        setattr(user, field, str(told.get(claim) or "")[:longest])
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:  # two first requests at once
        found = _find(name, source)
        if found is None:
            raise
        return found
    return user


def _follow(user: User, groups: set[str]) -> None:
    """Role and groups as outside; what an administrator has given besides stays."""
    roles = [role for name, role in settings.GROUP_ROLES.items() if name in groups and role is not None]
    if roles:
        user.role = max(roles, key=signon.LADDER.index)
    elif user.role_by_group:
        user.role = settings.DEFAULT_ROLE
    user.role_by_group = bool(roles)
    for name in groups & settings.GROUP_ROLES.keys():
        Group.objects.get_or_create(name=name)
    here = list(Group.objects.filter(name__in=groups))
    names = sorted(group.name for group in here)
    user.groups.remove(*Group.objects.filter(name__in=set(user.outside_groups) - set(names)))
    user.groups.add(*here)
    user.outside_groups = names
    user.save(update_fields=["role", "role_by_group", "outside_groups"])
