"""People whom somebody else vouches for: their accounts are made at their first sign-in."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from cardocr_site.accounts.models import User


class Turned(Exception):
    """Away, with a sentence for the person."""


def take(name: str, source: User.Source) -> User:
    """The account of this name, made where there is none. Raises Turned."""
    _need_name(name)
    user = _find(name, source) or _make(name, source)
    if not user.is_active:
        raise Turned(_("The account “%(name)s” has been deactivated. Ask an administrator.") % {"name": name})
    return user


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
        raise Turned(message % {"name": user.username})
    if user.username != name:
        message = _("You are called “%(name)s”, and there is an account “%(other)s” here. Ask an administrator.")
        raise Turned(message % {"name": name, "other": user.username})
    return user


def _make(name: str, source: User.Source) -> User:
    user = User(username=name, source=source, role=User.Role.NONE)
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
