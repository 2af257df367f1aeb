"""Role by role: whose batches somebody sees, corrects, changes, owns."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches.models import Batch, BatchShare
from batches.queries import rights
from cardocr_site.accounts.models import User

SHARINGS = ("own", "private", "read", "edit", "group read", "group edit", "other group")
ALL = set(SHARINGS)
SEEN = ALL - {"private", "other group"}
TO_EDIT = {"own", "edit", "group edit"}
NONE: set[str] = set()
TABLE = {  # role: sees, corrects, changes, owns
    "": (NONE, NONE, NONE, NONE),
    "viewer": (SEEN, NONE, NONE, NONE),
    "reviewer": (SEEN, SEEN, NONE, NONE),
    "operator": (SEEN, SEEN, TO_EDIT, {"own"}),
    "administrator": (ALL, ALL, ALL, ALL),
}
QUERYSETS = ("visible_to", "correctable_by", "editable_by", "owned_by")


@pytest.fixture
def shared(user: User, other_user: User) -> list[Batch]:
    """Named after how Magnus may have them."""
    catalogue, scanners = (Group.objects.create(name=name) for name in ("Catalogue", "Scanners"))
    other_user.groups.add(catalogue)
    made = []
    for name in SHARINGS:
        everybody = name if name in {"read", "edit"} else "none"
        batch = Batch.objects.create(name=name, owner=other_user if name == "own" else user, everybody=everybody)
        if "group" in name:
            group = scanners if name == "other group" else catalogue
            BatchShare.objects.create(batch=batch, group=group, edit="edit" in name)
        made.append(batch)
    Batch.objects.create(name="thrown away", owner=other_user, everybody="edit", deleted_at="2026-11-01T00:00Z")
    return made


def as_role(user: User, role: str, **more: object) -> User:
    user.role = role
    for name, value in more.items():
        setattr(user, name, value)
    user.save()
    return User.objects.get(pk=user.pk)


@pytest.mark.parametrize("role", TABLE)
def test_each_role_may_what_the_table_says(shared: list[Batch], other_user: User, role: str) -> None:
    person = as_role(other_user, role)
    for queryset, names in zip(QUERYSETS, TABLE[role], strict=True):
        found = getattr(Batch.objects, queryset)(person).values_list("name", flat=True)
        assert sorted(found) == sorted(names), queryset  # each once


@pytest.mark.parametrize("role", TABLE)
def test_pages_offer_what_the_querysets_allow(shared: list[Batch], other_user: User, role: str) -> None:
    person = as_role(other_user, role)
    seen = list(Batch.objects.visible_to(person))
    each = rights.of_each(person, seen)
    for batch in seen:
        assert each[batch.pk] == rights.of(person, batch)
        offered = rights.shown(each[batch.pk])
        for name, queryset in (
            ("can_correct", "correctable_by"),
            ("can_edit", "editable_by"),
            ("can_own", "owned_by"),
        ):
            allowed = getattr(Batch.objects, queryset)(person).filter(pk=batch.pk).exists()
            assert offered[name] == allowed, (batch.name, name)


def test_rights_of_many_batches_take_one_question(shared: list[Batch], other_user: User) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        rights.of_each(other_user, shared[:1])
        rights.of_each(other_user, shared)
    assert len(asked) == 2


def test_someone_deactivated_or_unknown_may_nothing(shared: list[Batch], other_user: User) -> None:
    for role in TABLE:
        person = as_role(other_user, role, is_active=False)
        for queryset in QUERYSETS:
            assert not getattr(Batch.objects, queryset)(person).exists()
    for queryset in QUERYSETS:
        assert not getattr(Batch.objects, queryset)(AnonymousUser()).exists()


def test_only_its_owner_and_administrators_have_a_batch_back_from_the_trash(
    shared: list[Batch], user: User, other_user: User
) -> None:
    for role, number in (("viewer", 0), ("operator", 1), ("administrator", 1)):
        assert Batch.objects.deleted_of(as_role(other_user, role)).count() == number
    assert not Batch.objects.deleted_of(user).exists()
