"""What may be changed of a batch at any time: name, collection, tags, whom it is shared with."""

from collections.abc import Collection, Mapping
from typing import Any

from django.contrib.auth.models import Group

from batches import changes
from batches.actions import activity
from batches.models import Batch, Tag
from cardocr_site.accounts.models import User
from templates_app import share_form

NAMES = ("name", "collection")
MOST_TAGS = 20
LONGEST_TAG = 60


def change(batch: Batch, by: User | None, tags: Collection[str] | None = None, **values: Any) -> None:
    """Only what is given is written: what somebody else has changed meanwhile stays. The folder keeps its label."""
    with changes.locked(batch) as change:
        before = change.batch
        new = {name: values[name] for name in NAMES if name in values and values[name] != getattr(before, name)}
        if "name" in new or "collection" in new:
            said = {"name": before.name, "collection": before.collection} | new
            activity.record(before, by, "rename", name=said["name"], was=before.name, collection=said["collection"])
        if tags is not None and set(tags) != {tag.name for tag in before.tags.all()}:
            set_tags(before, tags)
            activity.record(before, by, "tags", group=True, tags=list(tags))
            change.set()
        if new:
            change.set(**new)


def share(batch: Batch, by: User | None, everybody: str, groups: Mapping[Group, str]) -> None:
    """With everybody (none, read, edit), and with these groups (read, edit) and no other."""
    with changes.locked(batch) as change:
        before = change.batch
        regrouped = share_form.set_groups(before, groups)
        if everybody != before.everybody:
            change.set(everybody=everybody)
        elif not regrouped:
            return
        else:
            change.set()
        named = {group.name: str(way) for group, way in groups.items()}
        activity.record(before, by, "sharing", everybody=str(everybody), groups=named)


def set_tags(batch: Batch, tags: Collection[str]) -> None:
    """The caller holds the lock, or has just made the batch."""
    batch.tags.exclude(name__in=tags).delete()
    Tag.objects.bulk_create([Tag(batch=batch, name=name) for name in tags], ignore_conflicts=True)
