"""Invitations: an administrator makes a link, and whoever has it makes one account with it."""

import datetime
import hashlib
import secrets
from collections.abc import Collection

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from cardocr_site.accounts import audit, joining, letters
from cardocr_site.accounts.models import Invitation, User

PREFIX = "cardocr_join_"  # redaction.py knows it by its beginning
DAYS = (1, 7, 30)
USUAL_DAYS = 7
KEPT = datetime.timedelta(days=90)  # after they have run out; the audit log tells of them on


class Gone(Exception):
    """No invitation of ours, or one that was used, revoked, or has run out."""


def make(
    by: User, role: str, days: int = USUAL_DAYS, groups: Collection[Group] = (), **of_whom: str
) -> tuple[Invitation, str]:
    """The invitation, and the link that nothing tells again. `of_whom`: first_name, last_name, email."""
    token = PREFIX + secrets.token_urlsafe(32)
    until = timezone.now() + datetime.timedelta(days=days)
    with transaction.atomic():
        Invitation.objects.filter(expires_at__lt=timezone.now() - KEPT).delete()
        made = Invitation.objects.create(key=_hash(token), role=role, made_by=by, expires_at=until, **of_whom)
        made.groups.set(groups)
        _record("invited", made, by, role=role, groups=sorted(group.name for group in groups), days=days)
    return made, letters.link("invitation", token)


def mail(made: Invitation, link: str) -> bool:
    """Whether it is on its way. While the link is known: what is kept of it is a hash."""
    if not settings.EMAIL_URL or not made.email or made.made_by is None:
        return False
    by = made.made_by.get_full_name() or made.made_by.username
    until = date_format(timezone.localtime(made.expires_at), "SHORT_DATETIME_FORMAT")
    return letters.send(
        made.email,
        _("Your account for cardocr"),
        _("%(person)s invites you to cardocr, where card catalogues are read and checked.") % {"person": by},
        _("Choose a user name and a password here. The link works once, until %(until)s:") % {"until": until},
        link,
    )


def find(token: str) -> Invitation:
    """An open one. Raises Gone."""
    found = Invitation.objects.open().filter(key=_hash(token)).select_related("made_by").first()
    if found is None:
        raise Gone
    return found


def accept(token: str, username: str, email: str, password: str) -> User:
    """The account. Of two who come at the same time with one link, one gets it. Raises Gone, joining.Unfit."""
    taken = find(token)
    user = User(username=username, email=email, role=taken.role)
    user.first_name, user.last_name = taken.first_name, taken.last_name
    joining.prepare(user, password)
    with transaction.atomic():
        _take(taken, "used_at")
        joining.save(user)
        user.groups.set(taken.groups.all())
        taken.user = user
        taken.save(update_fields=["user"])
        by = taken.made_by.username if taken.made_by else ""
        _record("invitation_used", taken, user, user=user.username, role=user.role, invited_by=by)
    return user


def revoke(invitation: Invitation, by: User) -> None:
    """Raises Gone where there is nothing to revoke."""
    with transaction.atomic():
        _take(invitation, "revoked_at")
        _record("invitation_revoked", invitation, by)


def _take(invitation: Invitation, column: str) -> None:
    """The second of two waits for the row here, and then finds it taken. Raises Gone."""
    as_it_was = Invitation.objects.filter(key=invitation.key, used_at=None, revoked_at=None)
    if not as_it_was.update(**{column: timezone.now()}):
        raise Gone


def _record(act: str, of: Invitation, by: User, **details: object) -> None:
    audit.record(act, by=by, of=of, kind="invitation", name=str(of), details=details)


def _hash(token: str) -> str:
    """Not slowed down: nobody guesses 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
