"""Templates as files, and two versions side by side."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from batches.models import Batch
from cardocr_site.accounts.models import User
from ocr.fields import FieldSpec, FieldType
from templates_app import editing, versions
from templates_app.models import FieldTemplate


@pytest.fixture
def ingrid(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def template(user: User) -> FieldTemplate:
    place = FieldSpec("place", "Place", choices=("Bergen", "Oslo"), spellings=(("Bergen", ("Bgn.",)),), open_list=True)
    specs = [FieldSpec("region", "Region", instruction="The heading"), place]
    return versions.create(user, "Plankton", specs, instruction="Norwegian.")


def sent(content: bytes) -> dict[str, SimpleUploadedFile]:
    return {"file": SimpleUploadedFile("t.json", content)}


def test_what_is_exported_can_be_imported_and_is_private_then(ingrid: Client, template: FieldTemplate, user: User):
    response = ingrid.get(reverse("template_export", args=[template.pk]))
    assert 'filename="Plankton, v1.json"' in response["Content-Disposition"]
    ingrid.post(reverse("template_import"), sent(response.content))
    copy = FieldTemplate.objects.exclude(pk=template.pk).get()
    assert (copy.name, copy.owner, copy.everybody) == ("Plankton (2)", user, "none")
    assert copy.newest.specs() == template.newest.specs()
    assert copy.newest.instruction == "Norwegian."


@pytest.mark.parametrize(
    "content",
    [
        b"no json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b'{"name": 1, "fields": [{"label": "A"}]}',
        b'{"name": "A", "fields": [{"label": "A", "pattern": "("}]}',
        b'{"name": "", "fields": [{"label": "A"}]}',
        b'{"name": "A", "stay_inside": "no", "fields": [{"label": "A"}]}',
        b"[" * 100_000,
        json.dumps({"name": "A", "instruction": "x" * 6000, "fields": [{"label": "A"}]}).encode(),
    ],
)
def test_what_is_no_template_is_refused_with_a_sentence(ingrid: Client, content: bytes):
    response = ingrid.post(reverse("template_import"), sent(content), follow=True)
    assert "The file was not imported." in response.text
    assert not FieldTemplate.objects.filter(name="A").exists()


def test_hostile_text_in_a_file_is_only_text(ingrid: Client):
    data = {"name": "<script>alert(1)</script>", "fields": [{"label": "<b>A</b>"}]}
    page = ingrid.post(reverse("template_import"), sent(json.dumps(data).encode()), follow=True).text
    assert "<script>alert(1)" not in page
    assert "<b>A</b>" not in page


def test_two_versions_are_compared_field_by_field(ingrid: Client, template: FieldTemplate, user: User):
    Batch.objects.create(name="Drawer", owner=user, template_version=template.newest)

    def change(specs: list[FieldSpec]) -> list[FieldSpec]:
        specs = editing.replaced(specs, FieldSpec("region", "Region", instruction="The last heading"))
        return editing.added(editing.removed(specs, "place"), "Slide", FieldType.IDENTIFIER)

    detail = reverse("template_detail", args=[template.pk])
    assert "Editing makes version 2; batches stay on theirs." in ingrid.get(detail).text
    versions.edit(template, user, change, instruction="Norwegian and Danish.")
    page = ingrid.get(reverse("template_compare", args=[template.pk])).text
    assert "<del>The heading</del>" in page
    assert "<ins>The last heading</ins>" in page
    assert "<ins>Norwegian and Danish.</ins>" in page
    assert page.count('<span class="sub">added</span>') == page.count('<span class="sub">removed</span>') == 1
    same = ingrid.get(reverse("template_compare", args=[template.pk]), {"version": "2", "with": "2"}).text
    assert "The two say the same." in same
    assert "compare" in ingrid.get(reverse("template_detail", args=[template.pk])).text


def test_a_private_template_is_neither_exported_nor_compared_by_others(
    client: Client, template: FieldTemplate, other_user: User
):
    FieldTemplate.objects.update(everybody="none")
    client.force_login(other_user)
    for name in ("template_export", "template_compare"):
        assert client.get(reverse(name, args=[template.pk])).status_code == 404


@pytest.fixture
def second(template: FieldTemplate, user: User) -> FieldTemplate:
    """With a version 2 that no batch uses."""
    Batch.objects.create(name="Drawer", owner=user, template_version=template.newest)
    versions.edit(template, user, lambda specs: editing.removed(specs, "place"), instruction="Danish.")
    return template


def test_going_back_shows_what_would_change_and_makes_a_version(ingrid: Client, second: FieldTemplate, user: User):
    url = reverse("template_back", args=[second.pk, 1])
    assert url in ingrid.get(reverse("template_detail", args=[second.pk])).text
    assert url in ingrid.get(reverse("template_compare", args=[second.pk])).text
    page = ingrid.get(url).text
    assert "This makes version 3, which says what version 1 says." in page
    assert "<ins>Norwegian.</ins>" in page
    assert second.versions.count() == 2

    said = ingrid.post(url, {"newest": "2"}, follow=True).text
    assert "Version 3 says what version 1 says." in said
    first, third = second.versions.get(number=1), second.newest
    assert (third.number, third.specs(), third.instruction) == (3, first.specs(), "Norwegian.")
    assert third.created_by == user
    assert second.versions.get(number=2).instruction == "Danish."  # though no batch used it

    ingrid.post(reverse("template_back", args=[second.pk, 2]), {"newest": "3"})  # that is the way to undo it
    assert (second.newest.number, second.newest.instruction) == (4, "Danish.")


@pytest.mark.parametrize("newest", ["1", "", "x", "9" * 5000])
def test_who_saw_another_newest_version_looks_again(ingrid: Client, second: FieldTemplate, newest: str):
    response = ingrid.post(reverse("template_back", args=[second.pk, 1]), {"newest": newest})
    assert response.status_code == 409
    assert "Somebody has made another version meanwhile." in response.text
    assert second.versions.count() == 2


def test_going_back_to_what_is_said_already_makes_no_version(ingrid: Client, second: FieldTemplate):
    url = reverse("template_back", args=[second.pk, 2])
    assert "there is nothing to go back to" in ingrid.get(url).text
    ingrid.post(url, {"newest": "2"})
    assert second.versions.count() == 2
    assert ingrid.get(reverse("template_back", args=[second.pk, 7])).status_code == 404


def test_others_do_not_bring_a_version_back(client: Client, second: FieldTemplate, other_user: User):
    client.force_login(other_user)
    url = reverse("template_back", args=[second.pk, 1])
    assert client.get(url).status_code == client.post(url, {"newest": "2"}).status_code == 404
    for name in ("template_detail", "template_compare"):
        assert url not in client.get(reverse(name, args=[second.pk])).text
