"""The list of what people did: which entries, filtered, a page at a time by keyset."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import QuerySet

from batches.models import Activity, Batch
from batches.queries import keyset
from cardocr_site.accounts.models import User


def visible(user: User, batch: Batch | None) -> QuerySet[Activity]:
    acts = Activity.objects.visible_to(user) if batch is None else batch.activities.all()
    return acts.select_related("by", "undone_by", "batch__owner")


def people(user: User, batch: Batch | None) -> list[User]:
    """Those who did something here."""
    acts = (Activity.objects.visible_to(user) if batch is None else batch.activities.all()).order_by()
    return list(User.objects.filter(pk__in=acts.values("by")).order_by("first_name", "last_name", "username"))


def page(acts: QuerySet[Activity], kinds: Collection[str], person: UUID | None, before: str) -> keyset.Page[Activity]:
    if kinds:
        acts = acts.filter(kind__in=kinds)
    if person is not None:
        acts = acts.filter(by=person)
    return keyset.page(acts, before)
