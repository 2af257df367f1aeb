"""Accounts that people make themselves: where the site lets everybody do that, or with an invitation."""

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cardocr_site.accounts import audit
from cardocr_site.accounts.models import User

SHORTEST, LONGEST = 3, 50  # letters of a user name
LONGEST_PASSWORD = 1000


class Unfit(Exception):
    """No account can be made of this: what is wrong, by the name of the input."""

    def __init__(self, problems: Mapping[str, Sequence[str]]) -> None:
        super().__init__(", ".join(problems))
        self.problems = dict(problems)


class Closed(Exception):
    """The site does not let people make accounts."""


def register(username: str, email: str, password: str) -> User:
    """Raises Closed, Unfit."""
    if not settings.SELF_REGISTRATION:
        raise Closed
    user = prepare(User(username=username, email=email, role=settings.DEFAULT_ROLE), password, by_mail=True)
    with transaction.atomic():
        save(user)
        audit.record("registered", by=user, of=user, kind="user", name=user.username)
    return user


def prepare(user: User, password: str, *, by_mail: bool = False) -> User:
    """Before the transaction that saves it: a password takes its time. `by_mail`: needs an address. Raises Unfit."""
    problems = _problems(user, password, by_mail)
    if problems:
        raise Unfit(problems)
    user.set_password(password)
    return user


def save(user: User) -> None:
    """Raises Unfit where somebody took the name meanwhile."""
    taken = User.objects.filter(username__iexact=user.username).exists()
    try:
        with transaction.atomic():
            if not taken:
                user.save(force_insert=True)
    except IntegrityError:  # in this moment
        taken = True
    if taken:
        raise Unfit({"username": [_("This name is taken.")]})


def _problems(user: User, password: str, by_mail: bool) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        found |= error.message_dict
    if not SHORTEST <= len(user.username) <= LONGEST:
        found["username"] = [_length(len(user.username))]
    elif User.objects.filter(username__iexact=user.username).exists():
        found["username"] = [_("This name is taken.")]
    try:
        if by_mail:
            validate_email(user.email)
    except ValidationError as error:
        found["email"] = list(error.messages)
    try:
        validate_password(password, user)
    except ValidationError as error:
        found["password"] = list(error.messages)
    return found


def _length(has: int) -> str:
    if has < SHORTEST:
        return ngettext("At least %d letter.", "At least %d letters.", SHORTEST) % SHORTEST
    return ngettext("At most %d letter.", "At most %d letters.", LONGEST) % LONGEST
