"""Who sees, changes and owns a template."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from cardocr_site.accounts.models import AuditEntry, User
from ocr.fields import FieldSpec
from templates_app import versions
from templates_app.models import FieldTemplate

SEES, EDITS, OWNS = "template_detail", "template_edit", "template_delete"
ALLOWED = {  # by what is said of everybody, of his group, and his role
    ("none", "", "operator"): [],
    ("none", "read", "operator"): [SEES],
    ("none", "edit", "operator"): [SEES, EDITS],
    ("read", "", "operator"): [SEES],
    ("edit", "", "operator"): [SEES, EDITS],
    ("edit", "edit", "viewer"): [SEES],
    ("edit", "edit", "reviewer"): [SEES],
    ("edit", "edit", ""): [],
    ("none", "", "administrator"): [SEES, EDITS, OWNS],
}


@pytest.fixture
def template(user: User) -> FieldTemplate:
    return versions.create(user, "Music", [FieldSpec("author", "Author")])


@pytest.mark.parametrize(("everybody", "group", "role"), ALLOWED)
def test_who_may_what(
    client: Client, other_user: User, template: FieldTemplate, everybody: str, group: str, role: str
) -> None:
    User.objects.filter(pk=other_user.pk).update(role=role)
    FieldTemplate.objects.update(everybody=everybody)
    catalogue = Group.objects.create(name="Catalogue")
    other_user.groups.add(catalogue)
    if group:
        template.shares.create(group=catalogue, edit=group == "edit")
    client.force_login(other_user)
    allowed = ALLOWED[everybody, group, role]
    for name in (SEES, EDITS, OWNS):
        answer = client.get(reverse(name, args=[template.pk]))
        assert answer.status_code == (200 if name in allowed else 404), name
        if name == SEES and name in allowed:
            for offered in (EDITS, OWNS):
                assert (reverse(offered, args=[template.pk]) in answer.text) == (offered in allowed), offered
    shared = client.post(reverse("template_share", args=[template.pk]), {"everybody": "edit"})
    assert shared.status_code == (302 if OWNS in allowed else 404)


def test_its_owner_shares_it(client: Client, user: User, template: FieldTemplate) -> None:
    group = Group.objects.create(name="Catalogue")
    client.force_login(user)
    page = client.get(reverse("template_edit", args=[template.pk])).text
    assert f'name="group-{group.pk}"' in page
    address = reverse("template_share", args=[template.pk])
    assert client.post(address, {"everybody": "none", f"group-{group.pk}": "read"}).status_code == 302
    assert client.post(address, {"everybody": "x"}).status_code == 422
    template.refresh_from_db()
    assert (template.everybody, template.shares.get().group) == ("none", group)


def test_the_audit_log_tells_with_whom(client: Client, user: User):
    template = versions.create(user, "Own", [FieldSpec("author", "Author")])
    client.force_login(user)
    client.post(f"/templates/{template.pk}/share/", {"everybody": "read"})
    told = AuditEntry.objects.get(act="sharing")
    assert (told.actor, told.object_id, told.details["everybody"]) == (user.pk, str(template.pk), "read")
