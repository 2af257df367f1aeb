"""What a person may do with batches that the same can see. Each right holds those before it."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from batches.models import Batch, BatchShare
from templates_app.sharing import Everybody


class Role(IntEnum):
    READER = 1
    CORRECTOR = 2  # corrects and checks values
    EDITOR = 3  # fills, sets up, starts, pauses, reads again
    OWNER = 4  # shares and deletes
    ADMINISTRATOR = 5


def of(user: Any, batch: Batch) -> Role:
    role = _without_groups(user, batch)
    if role >= Role.EDITOR or not user.runs:
        return role
    return of_each(user, [batch])[batch.pk]


def of_each(user: Any, batches: Iterable[Batch]) -> dict[int, Role]:
    """As the querysets of batches say it. One question, however many they are and whosever."""
    roles = {batch.pk: _without_groups(user, batch) for batch in batches}
    if user.runs and not user.is_administrator:
        shares = BatchShare.objects.filter(batch__in=roles, edit=True, group__user=user)
        roles |= {pk: max(roles[pk], Role.EDITOR) for pk in shares.values_list("batch", flat=True)}
    return roles


def _without_groups(user: Any, batch: Batch) -> Role:
    if user.is_administrator:
        return Role.ADMINISTRATOR
    if user.runs and batch.owner_id == user.pk:
        return Role.OWNER
    if user.runs and batch.everybody == Everybody.EDIT:
        return Role.EDITOR
    return Role.CORRECTOR if user.corrects else Role.READER


def shown(role: Role) -> dict[str, bool]:
    """For templates: what they offer."""
    return {
        "can_correct": role >= Role.CORRECTOR,
        "can_edit": role >= Role.EDITOR,
        "can_own": role >= Role.OWNER,
    }
