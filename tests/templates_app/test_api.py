"""Templates through the calls."""

import pytest

from batches.models import Batch
from templates_app import versions
from templates_app.models import FieldTemplate

pytestmark = pytest.mark.django_db

BODY = {"name": "Music", "fields": [{"label": "Author"}, {"label": "Jahr"}], "instruction": "Read {{ fields }}."}


@pytest.fixture
def made(api):
    return api("post", "/templates", BODY).data


def test_a_template_is_made_seen_and_listed(api, others_api, made):
    assert [(one["key"], one["type"]) for one in made["fields"]] == [("author", "text"), ("jahr", "year")]
    assert (made["owner"], made["version"], made["everybody"]) == ("ingrid", 1, "read")
    assert api("get", f"/templates/{made['id']}").data == made
    assert others_api("get", "/templates").data["items"][0]["id"] == made["id"]


def test_a_change_makes_a_version_where_a_batch_uses_the_newest(api, user, made):
    template = FieldTemplate.objects.get(pk=made["id"])
    assert api("put", f"/templates/{made['id']}", BODY | {"fields": [{"label": "Titel"}]}).data["version"] == 1
    Batch.objects.create(name="x", owner=user, template_version=template.newest)
    told = api("put", f"/templates/{made['id']}", BODY | {"name": "Music 2"}).data
    assert (told["name"], told["version"], len(told["fields"])) == ("Music 2", 2, 2)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"name": "x"}, "fields"),
        (BODY | {"name": " "}, "name"),
        (BODY | {"fields": [{"label": "A", "pattern": "("}]}, "fields"),
        (BODY | {"odd": 1}, "odd"),
        (BODY | {"everybody": "all"}, "everybody"),
    ],
)
def test_what_is_wrong_with_a_template_is_told(api, db, body, name):
    assert list(api.refused("VALIDATION_ERROR", "post", "/templates", body)) == [name]
    assert not FieldTemplate.objects.filter(shipped=False).exists()


def test_names_are_there_once(api, made):
    other = api("post", "/templates", BODY | {"name": "Maps"}).data
    assert list(api.refused("VALIDATION_ERROR", "post", "/templates", BODY)) == ["name"]
    assert list(api.refused("VALIDATION_ERROR", "put", f"/templates/{other['id']}", BODY)) == ["name"]


def test_out_and_in_again(api, made):
    file = api("get", f"/templates/{made['id']}/export").data
    again = api("post", "/templates/import", file).data
    assert (again["name"], again["everybody"]) == ("Music (2)", "none")
    assert (again["fields"], again["instruction"]) == (made["fields"], made["instruction"])
    assert list(api.refused("VALIDATION_ERROR", "post", "/templates/import", {"name": "x", "fields": [{}]})) == [
        "fields"
    ]


def test_who_may(api, others_api, other_user, anonymous, made):
    path = f"/templates/{made['id']}"
    others_api.refused("PERMISSION_DENIED", "put", path, BODY)
    others_api.refused("PERMISSION_DENIED", "delete", path)
    anonymous.refused("AUTH_REQUIRED", "get", path)
    FieldTemplate.objects.update(everybody="edit")
    assert others_api("put", path, BODY | {"description": "x"}).data["description"] == "x"
    others_api.refused("PERMISSION_DENIED", "put", path, BODY | {"everybody": "none"})
    others_api.refused("PERMISSION_DENIED", "delete", path)
    FieldTemplate.objects.update(everybody="none")
    for method, where in (("get", ""), ("get", "/export"), ("put", ""), ("delete", "")):
        others_api.refused("RESOURCE_NOT_FOUND", method, path + where, BODY if method == "put" else None)
    other_user.role = "reviewer"
    other_user.save()
    others_api.refused("PERMISSION_DENIED", "post", "/templates", BODY)
    others_api.refused("PERMISSION_DENIED", "post", "/templates/import", BODY)
    assert api("delete", path).data is None
    api.refused("RESOURCE_NOT_FOUND", "get", f"/templates/{2**70}")


def test_a_list_comes_in_parts(api, user):
    for number in range(3):
        versions.create(user, f"T {number}")
    part = api("get", "/templates?limit=2").data
    rest = api("get", f"/templates?limit=2&cursor={part['next']}").data
    names = [one["name"] for one in [*part["items"], *rest["items"]] if one["name"].startswith("T ")]
    assert names == ["T 2", "T 1", "T 0"]
