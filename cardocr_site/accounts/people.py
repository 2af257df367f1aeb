"""Who has an account here, and closing one. Sessions, tokens and batches follow from the account: see apps.py."""

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from cardocr_site.accounts.models import User


class Kept(Exception):
    """It stays as it is, with a sentence for the administrator."""


def listed(words: str = "") -> QuerySet[User]:
    """Those whose names or address have all of the words: who is in comes first."""
    rows = User.objects.order_by("-is_active", "last_name", "first_name", "username").prefetch_related("groups")
    for word in words.split():
        names = Q(username__icontains=word) | Q(first_name__icontains=word) | Q(last_name__icontains=word)
        rows = rows.filter(names | Q(email__icontains=word))
    return rows


def deactivate(person: User, by: User) -> None:
    """At once: sessions, tokens and sockets end, batches that are being read pause. Raises Kept."""
    with transaction.atomic():
        # Locked, so that no two people close the last two.
        doors = list(User.objects.select_for_update().filter(_LOCAL_ADMINISTRATORS))
        if person.pk == by.pk:
            raise Kept(_("This is your own account: another administrator can close it."))
        if doors == [person]:
            raise Kept(_("This is the last administrator with a password of this site; there has to be one."))
        person.is_active = False
        person.save(update_fields=["is_active"])


def let_in_again(person: User) -> None:
    """With the role and groups of before; tokens that ended stay ended."""
    person.is_active = True
    person.save(update_fields=["is_active"])


_LOCAL_ADMINISTRATORS = Q(role=User.Role.ADMINISTRATOR, is_active=True, source=User.Source.HERE)
