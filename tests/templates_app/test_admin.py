from django.test import Client
from django.urls import reverse

from cardocr_site.accounts.models import User
from ocr.fields import FieldSpec
from templates_app import versions
from templates_app.models import FieldTemplate


def test_a_template_made_in_the_admin_has_a_version(client: Client, administrator: User) -> None:
    client.force_login(administrator)
    client.post(
        reverse("admin:templates_app_fieldtemplate_add"),
        {"name": "Maps", "description": "", "owner": "", "everybody": "read"},
    )

    assert FieldTemplate.objects.get().newest.number == 1


def test_templates_can_be_changed_and_versions_only_read(client: Client, administrator: User, user: User) -> None:
    client.force_login(administrator)
    template = versions.create(user, "Music", [FieldSpec("author", "Author")])
    change = reverse("admin:templates_app_fieldtemplate_change", args=[template.pk])
    assert client.post(change, {"name": "Scores", "everybody": "read"}).status_code == 302
    template.refresh_from_db()
    assert (template.name, template.versions.count()) == ("Scores", 1)

    for name in ("fieldtemplate", "fieldtemplateversion"):
        assert client.get(reverse(f"admin:templates_app_{name}_changelist") + "?q=Sc").status_code == 200
    version = reverse("admin:templates_app_fieldtemplateversion_change", args=[template.newest.pk])
    assert "author" in client.get(version).text
    assert client.post(version, {"number": "9"}).status_code == 403
    assert client.get(reverse("admin:templates_app_fieldtemplateversion_add")).status_code == 403
