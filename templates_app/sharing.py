"""Who may see and change what has an owner: batches and templates.

|               | see          | correct      | change         | share, delete |
| viewer        | own + shared |              |                |               |
| reviewer      | own + shared | own + shared |                |               |
| operator      | own + shared | own + shared | own + to edit  | own           |
| administrator | all          | all          | all            | all           |
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

NOTHING = Q(pk__in=())  # asks nothing of the database


class Everybody(models.TextChoices):
    """What those who have a role may do with it, besides its owner and the groups it is shared with."""

    NONE = "none", _("may not see it")
    READ = "read", _("may see it")
    EDIT = "edit", _("may edit it")


SHARED = (Everybody.READ, Everybody.EDIT)


def at_first() -> str:
    return str(Everybody.NONE if settings.PRIVATE_BY_DEFAULT else Everybody.READ)


class Share(models.Model):
    """With a group of people."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")
    edit = models.BooleanField(default=False)  # otherwise to read

    class Meta:
        abstract = True


def seen_by(user: Any, shares: QuerySet[Any, Any]) -> Q:
    """`shares`: the keys of what is shared, one for each group it is shared with."""
    if not (user.is_authenticated and user.sees):
        return NOTHING
    if user.is_administrator:
        return Q()
    return Q(owner=user) | Q(everybody__in=SHARED) | Q(pk__in=shares.filter(group__user=user))


def corrected_by(user: Any, shares: QuerySet[Any, Any]) -> Q:
    return seen_by(user, shares) if user.is_authenticated and user.corrects else NOTHING


def changed_by(user: Any, shares: QuerySet[Any, Any]) -> Q:
    if not (user.is_authenticated and user.runs):
        return NOTHING
    if user.is_administrator:
        return Q()
    return Q(owner=user) | Q(everybody=Everybody.EDIT) | Q(pk__in=shares.filter(edit=True, group__user=user))


def owned_by(user: Any) -> Q:
    if not (user.is_authenticated and user.runs):
        return NOTHING
    return Q() if user.is_administrator else Q(owner=user)
