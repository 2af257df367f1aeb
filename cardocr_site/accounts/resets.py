"""A new password: by a link that an administrator makes, or that is mailed to whoever has forgotten the old one.

Nothing of a link is kept. What is typed into the page goes into a row, whoever it is that has the address, if anybody:
the consumer looks that up and sends the letter, so that neither the answer nor its time tells who has an account.
"""

import datetime

from django.conf import settings
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _

from cardocr_site.accounts import addresses, audit, first, letters, tries
from cardocr_site.accounts.models import ResetAsked, User
from cardocr_site.accounts.people import Kept

BACK_OFF = [datetime.timedelta(minutes=minutes) for minutes in (1, 5, 15)]
UNDER_WAY = datetime.timedelta(minutes=2)  # then another consumer may take it up
QUIET = datetime.timedelta(minutes=10)  # an address gets no second letter so soon
KEPT = datetime.timedelta(hours=1)


class Gone(Exception):
    """The link has been used, or has run out."""


class Tokens(PasswordResetTokenGenerator):
    """Django's: one ends after a day, at the next sign-in, and when the password or the address changes."""

    key_salt = "cardocr_site.accounts.resets"

    def check_token(self, user: User | None, token: str | None) -> bool:
        return user is not None and _may(user) and super().check_token(user, token)


tokens = Tokens()


def _may(person: User) -> bool:
    return person.is_active and person.source == User.Source.HERE


def make_link(person: User, by: User) -> str:
    """For an administrator, to be handed over; also for a person who had no password. Raises Kept."""
    if not person.is_active:
        raise Kept(_("The account is deactivated: let the person in again first."))
    if person.source:
        message = _("This person signs in elsewhere (%(way)s); a password of this site opens nothing.")
        raise Kept(message % {"way": person.get_source_display()})
    audit.record("reset_link", by=by, of=person, kind="user", name=person.username)
    return _link(person)


def _link(person: User) -> str:
    of_whom = urlsafe_base64_encode(force_bytes(person.pk))
    return letters.link("reset", uidb64=of_whom, token=tokens.make_token(person))


def use(person: User, token: str, password: str) -> None:
    """The new password holds; sessions and tokens of before end. Of two at once, one comes through. Raises Gone."""
    person.set_password(password)  # takes its time, which no transaction has
    person.must_change_password = False
    with transaction.atomic():
        now = User.objects.select_for_update().filter(pk=person.pk).first()
        if not tokens.check_token(now, token):
            raise Gone
        person.save(update_fields=["password", "must_change_password"])
        person.access_tokens.all().delete()
        audit.record("reset_used", of=person, kind="user", name=person.username)
    tries.forget(person.username, addresses.client_address(addresses.asking()))
    if person.username == first.NAME:
        first.password_file().unlink(missing_ok=True)


def ask(email: str) -> None:
    """Whoever has that address is sent a letter, by answer_due in the consumer."""
    ResetAsked.objects.filter(at__lt=timezone.now() - KEPT).delete()
    ResetAsked.objects.create(email=email, language=get_language() or settings.LANGUAGE_CODE)
    audit.record("reset_asked", kind="user")


def answer_due() -> None:
    for asked in ResetAsked.objects.filter(due_at__lte=timezone.now()).order_by("due_at")[:100]:
        row = ResetAsked.objects.filter(pk=asked.pk, due_at=asked.due_at)
        if not row.update(due_at=timezone.now() + UNDER_WAY, tries=F("tries") + 1):
            continue
        failed = [] if _is_soon(asked) else [person for person in _people(asked) if not _send(person, asked)]
        again = None if not failed or asked.tries >= len(BACK_OFF) else timezone.now() + BACK_OFF[asked.tries]
        ResetAsked.objects.filter(pk=asked.pk, tries=asked.tries + 1).update(due_at=again)


def _is_soon(asked: ResetAsked) -> bool:
    others = ResetAsked.objects.filter(email__iexact=asked.email, due_at=None, at__gt=timezone.now() - QUIET)
    return others.exists()


def _people(asked: ResetAsked) -> list[User]:
    return list(User.objects.filter(email__iexact=asked.email, is_active=True).order_by("username"))


def _send(person: User, asked: ResetAsked) -> bool:
    """To the address of the account: what was typed may only look like it."""
    with override(person.language or asked.language):
        said = _words(person)
        sent = letters.send(person.email, _("Your password for cardocr"), *said)
    if sent:
        details = {"link": _may(person) and person.has_usable_password()}
        audit.record("reset_mailed", of=person, kind="user", name=person.username, details=details)
    return sent


def _words(person: User) -> list[str]:
    begins = _("Somebody, you we hope, has asked for a new password of the account “%(name)s” at %(site)s.") % {
        "name": person.username,
        "site": letters.link("home"),
    }
    if person.source:
        how = _("This account has no password of this site: it signs in elsewhere (%(way)s). Ask there.")
        return [begins, how % {"way": person.get_source_display()}]
    if not person.has_usable_password():
        return [begins, _("This account has no password. Ask an administrator, who can make a link for one.")]
    return [
        begins,
        _("Choose it here. The link works once, for a day:"),
        _link(person),
        _("It was not you? Then there is nothing to do: the old password holds."),
    ]
