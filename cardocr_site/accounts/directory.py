"""Sign-in by a directory: django-auth-ldap talks to it; outside.py takes its people in.

Name and password come in where everybody's do, after `SlowingBackend` has counted the try.
"""

import logging
import unicodedata
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django_auth_ldap.backend import LDAPBackend, ldap_error
from ldap import (
    CONNECT_ERROR,
    CONSTRAINT_VIOLATION,
    INAPPROPRIATE_AUTH,
    INVALID_DN_SYNTAX,
    NO_SUCH_OBJECT,
    SCOPE_BASE,
    SERVER_DOWN,
    TIMEOUT,
    UNWILLING_TO_PERFORM,
    LDAPError,
    initialize,
)

from cardocr_site.accounts import outside, tries
from cardocr_site.accounts.addresses import client_address
from cardocr_site.accounts.backends import OutsideBackend
from cardocr_site.accounts.models import User

log = logging.getLogger(__name__)

# How some directories say that they do not let this person in.
REFUSALS = (CONSTRAINT_VIOLATION, INAPPROPRIATE_AUTH, INVALID_DN_SYNTAX, NO_SUCH_OBJECT, UNWILLING_TO_PERFORM)


class Away(Exception):
    """The directory gave no answer that could be used."""


class Directory(LDAPBackend):
    """One question to it."""

    knows_nobody = False  # of that name, once it has been asked

    def authenticate_ldap_user(self, ldap_user: Any, password: str) -> User | None:
        user: User | None = super().authenticate_ldap_user(ldap_user, password)
        if user is None:
            self.knows_nobody = ldap_user.dn is None
            return None
        vars(user).pop("ldap_user")  # the two hold each other, and the connection
        return user

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[User, bool]:
        try:
            attributes = ldap_user.attrs or {}
            groups = [str(name) for name in ldap_user.group_names if name] if settings.LDAP.group_base else None
        except (LDAPError, TypeError, ValueError) as error:
            raise Away(_words(error)) from error
        told = {"given_name": "givenName", "family_name": "sn", "email": "mail"}
        first = {claim: next(iter(attributes.get(name, [])), "") for claim, name in told.items()}
        return outside.take(_name(username, attributes), User.Source.LDAP, groups, first), False


def _name(typed: str, attributes: Any) -> str:
    """As the directory writes it, so that one person has one account however the name is typed."""
    names = [str(name) for name in attributes.get(settings.LDAP.name, [])]
    if not names:
        log.warning("The directory tells no “%s” of a person: see CARDOCR_LDAP_NAME_ATTRIBUTE.", settings.LDAP.name)
        raise outside.Turned(_("The directory does not say what your user name is. Tell an administrator."))
    return next((name for name in names if name.casefold() == typed.casefold()), min(names))


def _failed(context: str, exception: Exception, **more: Any) -> None:
    """django-auth-ldap would take every failure for a wrong password."""
    if context != "authenticate" or not isinstance(exception, REFUSALS):
        raise Away(_words(exception)) from exception


def look() -> None:
    """Whether it can be asked as the settings say. Raises Away."""
    its: Any = Directory().settings
    try:
        connection = initialize(its.SERVER_URI(None))
        for option, value in its.CONNECTION_OPTIONS.items():
            connection.set_option(option, value)
        if its.START_TLS:
            connection.start_tls_s()
        connection.simple_bind_s(settings.LDAP.bind_dn, settings.LDAP.bind_password)
        for base in filter(None, (settings.LDAP.user_base, settings.LDAP.group_base)):
            connection.search_s(base, SCOPE_BASE, attrlist=["1.1"])
    except LDAPError as error:
        # Where each person asks for themselves, it need not let nobody in particular ask.
        if (
            not settings.LDAP.user_dn
            or settings.LDAP.bind_dn
            or isinstance(error, CONNECT_ERROR | SERVER_DOWN | TIMEOUT)
        ):
            raise Away(_words(error)) from error


def _words(error: Exception) -> str:
    """What went wrong, in the words of the library and the server; never who asked."""
    told = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    words = [str(told[key]) for key in ("desc", "info") if told.get(key)]
    return f"{type(error).__name__}: {', '.join(words)}" if words else type(error).__name__


ldap_error.connect(_failed, sender=Directory, dispatch_uid="directory")


class DirectoryBackend(OutsideBackend):
    @sensitive_variables("password")
    def authenticate(  # type: ignore[override]
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if not username or not password or not _may_be_asked(username := username.strip(), password):
            return None
        address = client_address(request)
        directory = Directory()
        try:
            user: User | None = directory.authenticate(request, username=username, password=password)
        except Away as away:
            log.warning("The directory gave no answer: %s", away)
            if not User.objects.filter(username__iexact=username, source=User.Source.HERE).exists():
                tries.give_back(username, address)  # nobody has checked the password
            sentence = _("The directory does not answer. Try again later; accounts that were made here work as always.")
            outside.say(request, sentence, later=True)
            raise PermissionDenied from away
        except outside.Turned as turned:
            outside.say(request, str(turned))
            raise PermissionDenied from turned
        if user is not None:
            tries.forget(username, address)
        elif directory.knows_nobody:
            outside.gone(username, User.Source.LDAP)
        return user


def _may_be_asked(name: str, password: str) -> bool:
    """Not with a name that no account can have, nor in a spelling that the directory alone takes for another.

    Each such spelling would be given five tries of its own.
    """
    try:
        User._meta.get_field("username").clean(name, None)
    except ValidationError:
        return False
    return unicodedata.normalize("NFKC", name) == name and "\x00" not in password
