"""Go on with the next scans: a new batch, read as an earlier one was."""

import re

from django.db import transaction

from batches.actions import activity, drafts, settings
from batches.models import Batch, BatchShare
from cardocr_site.accounts.models import User

NUMBERED = re.compile(r"(?s)(.*\S)\s*\((\d{1,6})\)\s*")


def continue_in_new(batch: Batch, user: User) -> Batch:
    """A draft with the same template, fields, engine, model, options, collection and tags; the person's own.

    One in which nothing has been done yet is given again: two clicks make one batch.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        made = Batch.objects.filter(owner=user, continues=batch, status="draft", total=0, deleted_at=None).first()
        return made or _made(batch, user)


def _made(batch: Batch, user: User) -> Batch:
    version = batch.template_version
    made = Batch.objects.create(
        name=next_name(batch, user),
        owner=user,
        continues=batch,
        collection=batch.collection,
        everybody=batch.everybody,
        template_version=version,
        fields=batch.fields,
        instruction=batch.instruction,
        engine=batch.engine,
        model=batch.model,
        options=drafts.marked({**batch.options, "pilot": 0}, version),
        budget=batch.budget,
    )
    BatchShare.objects.bulk_create(
        BatchShare(batch=made, group_id=share.group_id, edit=share.edit) for share in batch.shares.all()
    )
    settings.set_tags(made, [tag.name for tag in batch.tags.all()])
    activity.record(made, user, "create", continues=batch.name)
    return made


def next_name(batch: Batch, user: User) -> str:
    """“Drawer 12 (2)” after “Drawer 12”, “Drawer 12 (5)” where (4) is there already."""
    numbered = NUMBERED.fullmatch(batch.name)
    stem, last = (numbered[1], int(numbered[2])) if numbered else (batch.name, 1)
    for name in Batch.objects.visible_to(user).filter(name__startswith=stem).values_list("name", flat=True):
        other = NUMBERED.fullmatch(name)
        if other and other[1] == stem:
            last = max(last, int(other[2]))
    number = f" ({last + 1})"
    return stem[: 200 - len(number)] + number
