"""The audit log for programs."""

from typing import Any

import pytest
from django.test import Client

from cardocr_site.accounts import audit, tokens
from cardocr_site.accounts.models import User


@pytest.fixture
def acts(user: User, other_user: User, admins_api: Any) -> None:
    for number in range(3):
        audit.record("zstart", by=user, kind="batch", name=f"Drawer {number}")
    audit.record("zstop", by=other_user, of=user, kind="user")


def names(api: Any, query: str) -> list[str]:
    return [one["act"] for one in api("get", f"/audit?{query}").data["items"]]


@pytest.mark.usefixtures("acts")
def test_found_by_who_what_which_and_when(admins_api: Any, user: User, other_user: User):
    assert names(admins_api, "act=zstart") == ["zstart"] * 3
    assert names(admins_api, "actor=magnus") == ["zstop"]
    assert names(admins_api, f"actor={other_user.pk}") == ["zstop"]
    assert names(admins_api, f"object=user:{user.pk}&act=zstop") == ["zstop"]
    assert names(admins_api, "from=2999-01-01T00:00:00Z") == names(admins_api, "to=2020-01-01T00:00:00Z") == []
    assert names(admins_api, "act=zstart&from=2020-01-01T00:00:00Z&to=2999-01-01T00:00:00Z") == ["zstart"] * 3
    other_user.delete()
    assert names(admins_api, "actor=magnus") == ["zstop"], "by the name that is kept"


@pytest.mark.usefixtures("acts")
def test_in_parts_without_a_gap(admins_api: Any, django_assert_num_queries: Any):
    first = admins_api("get", "/audit?act=zstart&limit=2").data
    with django_assert_num_queries(2):  # who asks, and the part
        second = admins_api("get", f"/audit?act=zstart&limit=2&cursor={first['next']}").data
    told = [one["object_name"] for one in first["items"] + second["items"]]
    assert told == ["Drawer 2", "Drawer 1", "Drawer 0"]
    assert second["next"] is None


@pytest.mark.usefixtures("acts")
def test_what_makes_no_sense_is_refused(admins_api: Any):
    for query in ("object=batch", "from=yesterday", "cursor=nonsense", "limit=0"):
        admins_api.refused("VALIDATION_ERROR", "get", f"/audit?{query}")


def test_for_administrators_with_all_rights_alone(api: Any, anonymous: Any, client: Client, administrator: User):
    anonymous.refused("AUTH_REQUIRED", "get", "/audit")
    api.refused("PERMISSION_DENIED", "get", "/audit")
    _row, token = tokens.make(administrator, "look", "read", None)
    anonymous.refused("PERMISSION_DENIED", "get", "/audit", headers={"Authorization": f"Bearer {token}"})
