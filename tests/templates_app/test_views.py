import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries
from pytest_django.asserts import assertTemplateNotUsed

from batches.models import Batch
from cardocr_site.accounts.models import User
from ocr.fields import FieldSpec, FieldType
from templates_app import editing, versions
from templates_app.models import FieldTemplate

SPECS = [FieldSpec("author", "Author", required=True), FieldSpec("year", "Year", type=FieldType.YEAR, active=False)]
ROW = {"label": "Author", "type": "text", "active": "on"}


@pytest.fixture
def ingrid(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def template(user: User) -> FieldTemplate:
    return versions.create(user, "Music", SPECS, instruction="Scores.", description="Sheet music")


@pytest.fixture
def shipped(db: None) -> FieldTemplate:
    template = versions.create(None, "Sample cards", SPECS)
    FieldTemplate.objects.filter(pk=template.pk).update(shipped=True)
    return template


def htmx(target: str) -> dict[str, str]:
    return {"HX-Request": "true", "HX-Target": target}


def labels(template: FieldTemplate) -> list[str]:
    return [spec.label for spec in template.newest.specs()]


def test_the_list_shows_what_one_may_use(ingrid: Client, template: FieldTemplate, other_user: User) -> None:
    versions.create(other_user, "His own", everybody="none")
    versions.create(other_user, "For all")
    text = ingrid.get(reverse("template_list")).text

    assert "Music" in text
    assert "2 fields" in text
    assert "For all" in text
    assert "His own" not in text


def test_the_list_can_be_searched(ingrid: Client, template: FieldTemplate) -> None:
    assert "Music" in ingrid.get(reverse("template_list") + "?q=MUS").text
    assert "No template matches" in ingrid.get(reverse("template_list") + "?q=maps").text


def test_the_list_tells_where_there_is_none(ingrid: Client) -> None:
    assert "No template yet" in ingrid.get(reverse("template_list")).text


def test_a_longer_list_asks_the_database_no_more(
    ingrid: Client, user: User, template: FieldTemplate, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(6):
        ingrid.get(reverse("template_list"))
    for number in range(10):
        versions.create(user, f"T{number}", SPECS)
    with django_assert_num_queries(6):
        assert len(ingrid.get(reverse("template_list")).context["page"]) == 11


def test_the_list_counts_fields_of_the_newest_version_and_batches_of_all(
    ingrid: Client, user: User, other_user: User, template: FieldTemplate, batch: Batch
) -> None:
    Batch.objects.filter(pk=batch.pk).update(template_version=template.newest)
    Batch.objects.create(name="Secret", owner=other_user, everybody="none", template_version=template.newest)
    versions.edit(template, user, lambda specs: specs[:1])
    page = ingrid.get(reverse("template_list"))
    row = page.context["page"][0]

    assert (row.number, row.field_count) == (2, 1)
    assert "1 field · 1 batch<" in page.text


def test_who_is_signed_out_is_sent_to_sign_in(client: Client, template: FieldTemplate) -> None:
    for url in (reverse("template_list"), reverse("template_new"), reverse("template_detail", args=[template.pk])):
        assert client.get(url).status_code == 302


def test_a_new_template_opens_on_its_fields(ingrid: Client, user: User) -> None:
    assert ingrid.get(reverse("template_new")).status_code == 200
    response = ingrid.post(reverse("template_new"), {"name": "Maps", "everybody": "edit"})
    template = FieldTemplate.objects.get()

    assert response["Location"] == reverse("template_detail", args=[template.pk])
    assert (template.owner, template.everybody, labels(template)) == (user, "edit", [])


def test_a_name_is_given_once(ingrid: Client, template: FieldTemplate) -> None:
    assert ingrid.post(reverse("template_new"), {"name": "Music"}).status_code == 422
    assert ingrid.post(reverse("template_new"), {"name": ""}).status_code == 422
    assert FieldTemplate.objects.count() == 1


def test_a_duplicate_takes_fields_and_instruction(ingrid: Client, shipped: FieldTemplate, user: User) -> None:
    url = f"{reverse('template_new')}?from={shipped.pk}"
    assert "With the fields of" in ingrid.get(url).text
    ingrid.post(url, {"name": "Mine"})
    mine = FieldTemplate.objects.get(name="Mine")

    assert mine.newest.specs() == SPECS
    assert (mine.owner, mine.shipped) == (user, False)
    assert ingrid.get(f"{reverse('template_new')}?from=nonsense").status_code == 404


def test_name_and_description_can_be_changed(ingrid: Client, template: FieldTemplate) -> None:
    url = reverse("template_edit", args=[template.pk])
    assert ingrid.get(url).status_code == 200
    ingrid.post(url, {"name": "Scores", "description": "d"})
    template.refresh_from_db()

    assert (template.name, template.description, template.everybody) == ("Scores", "d", "read")
    assert ingrid.post(url, {"name": ""}).status_code == 422


def test_the_owner_edits_the_fields(ingrid: Client, template: FieldTemplate) -> None:
    pk = template.pk
    response = ingrid.post(reverse("template_field_add", args=[pk]), {"label": "Title"}, headers=htmx("fields"))
    assertTemplateNotUsed(response, "base.html")
    assert response.text.lstrip().startswith('<div id="fields">')
    assert labels(template) == ["Author", "Year", "Title"]

    ingrid.post(reverse("template_field_move", args=[pk, "title"]), {"direction": "up"})
    assert labels(template) == ["Author", "Title", "Year"]

    row = reverse("template_field_save", args=[pk, "author"])
    assert "Saved" in ingrid.post(row, {**ROW, "label": "Composer"}, headers=htmx("said-author")).text
    assert ingrid.post(row, {**ROW, "pattern": "("}).status_code == 422
    assert labels(template) == ["Composer", "Title", "Year"]

    ingrid.post(reverse("template_field_remove", args=[pk, "title"]))
    assert "“Title” is removed." in ingrid.get(reverse("template_detail", args=[pk])).text
    ingrid.post(reverse("template_field_restore", args=[pk]))
    assert labels(template) == ["Composer", "Title", "Year"]


def test_a_version_names_the_batches_with_it_that_one_may_see(
    ingrid: Client, user: User, other_user: User, template: FieldTemplate
) -> None:
    first = template.newest
    made = [Batch.objects.create(name=f"Drawer {n}", owner=user, template_version=first) for n in range(5)]
    Batch.objects.create(name="Secret", owner=other_user, everybody="none", template_version=first)
    versions.edit(template, user, lambda specs: specs[:1])
    Batch.objects.create(name="Also secret", owner=other_user, everybody="none", template_version=template.newest)
    page = ingrid.get(reverse("template_detail", args=[template.pk])).text

    assert [name for name in ("Drawer 4", "Drawer 3", "Drawer 2", "Drawer 1", "Drawer 0") if name in page] == [
        "Drawer 4",
        "Drawer 3",
        "Drawer 2",
    ]
    assert reverse("batch_detail", args=[made[4].pk]) in page
    assert "ecret" not in page
    assert "All 5" in page
    assert page.count("no batch") == 1
    more = f"{reverse('batch_list')}?template={template.pk}&amp;version=1"
    assert more in page
    listed = ingrid.get(more.replace("&amp;", "&"))
    assert {row.batch.name for row in listed.context["rows"]} == {batch.name for batch in made}
    assert "Made with “Music”, version 1" in listed.text


def test_more_versions_and_batches_ask_the_database_no_more(
    ingrid: Client, user: User, template: FieldTemplate
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            ingrid.get(reverse("template_detail", args=[template.pk]))
        return len(queries)

    Batch.objects.create(name="Drawer", owner=user, template_version=template.newest)
    before = asked()
    for n in range(4):
        versions.edit(template, user, lambda specs, n=n: editing.added(specs, f"Field {n}"))
        for _ in range(5):
            Batch.objects.create(name="Drawer", owner=user, template_version=template.newest)
    assert asked() == before


def test_edits_change_a_version_that_no_batch_uses(ingrid: Client, template: FieldTemplate) -> None:
    ingrid.post(reverse("template_field_add", args=[template.pk]), {"label": "Title"})

    assert template.newest.number == 1


def test_edits_make_a_version_where_a_batch_uses_the_newest(
    ingrid: Client, template: FieldTemplate, batch: Batch
) -> None:
    used = template.newest
    Batch.objects.filter(pk=batch.pk).update(template_version=used)
    ingrid.post(reverse("template_field_add", args=[template.pk]), {"label": "Title"})
    ingrid.post(reverse("template_field_add", args=[template.pk]), {"label": "Place"})

    assert template.newest.number == 2
    assert [spec.label for spec in used.specs()] == ["Author", "Year"]
    assert labels(template) == ["Author", "Year", "Title", "Place"]


def test_an_edit_that_changes_nothing_makes_no_version(ingrid: Client, template: FieldTemplate, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(template_version=template.newest)
    ingrid.post(reverse("template_field_save", args=[template.pk, "author"]), {**ROW, "required": "on"})

    assert template.newest.number == 1


def test_what_is_true_of_all_cards_is_saved(ingrid: Client, template: FieldTemplate) -> None:
    url = reverse("template_instruction", args=[template.pk])
    response = ingrid.post(url, {"instruction": "In German."}, headers=htmx("said-instruction"))

    assert 'id="said-instruction"' in response.text
    assert template.newest.instruction == "In German."
    assert ingrid.post(url, {"instruction": ""}, follow=True).status_code == 200
    assert template.newest.instruction == ""
    too_long = {"instruction": "x" * 5001}
    assert ingrid.post(url, too_long, headers=htmx("said-instruction")).status_code == 422
    assert "at most 5000" in ingrid.post(url, too_long, follow=True).text


def test_deleting_asks_first_and_leaves_batches_alone(ingrid: Client, template: FieldTemplate, batch: Batch) -> None:
    Batch.objects.filter(pk=batch.pk).update(template_version=template.newest)
    url = reverse("template_delete", args=[template.pk])

    assert "Batches that were made with it keep their fields" in ingrid.get(url).text
    assert FieldTemplate.objects.exists()
    assert ingrid.post(url)["Location"] == reverse("template_list")
    assert not FieldTemplate.objects.exists()
    batch.refresh_from_db()
    assert len(batch.fields) == 3


def test_a_template_of_somebody_else_can_only_be_read(ingrid: Client, shipped: FieldTemplate) -> None:
    pk = shipped.pk
    text = ingrid.get(reverse("template_detail", args=[pk])).text

    assert "Author" in text
    assert "required" in text
    assert "not read" in text
    assert 'id="field-author"' not in text
    for url in (
        reverse("template_edit", args=[pk]),
        reverse("template_delete", args=[pk]),
        reverse("template_instruction", args=[pk]),
        reverse("template_field_add", args=[pk]),
        reverse("template_field_restore", args=[pk]),
        reverse("template_field_save", args=[pk, "author"]),
        reverse("template_field_move", args=[pk, "author"]),
        reverse("template_field_remove", args=[pk, "author"]),
    ):
        assert ingrid.post(url, ROW).status_code == 404


def test_a_private_template_of_somebody_else_is_not_there(ingrid: Client, other_user: User) -> None:
    template = versions.create(other_user, "His own", everybody="none")

    assert ingrid.get(reverse("template_detail", args=[template.pk])).status_code == 404
    assert ingrid.get(f"{reverse('template_new')}?from={template.pk}").status_code == 404


def test_an_administrator_edits_all(client: Client, administrator: User, shipped: FieldTemplate) -> None:
    client.force_login(administrator)
    client.post(reverse("template_field_add", args=[shipped.pk]), {"label": "Title"})

    assert labels(shipped) == ["Author", "Year", "Title"]
    assert 'id="field-title"' in client.get(reverse("template_detail", args=[shipped.pk])).text


def test_a_template_says_how_its_scans_are_prepared(client: Client, user: User) -> None:
    client.force_login(user)
    page = client.get("/templates/new/").text
    assert "How its scans are prepared" in page
    data = {"name": "Drawers", "everybody": "edit", "turn": "90", "trim": "on", "read_blank": "on", "pairing": "names"}
    response = client.post("/templates/new/", data | {"front": "_r", "back": "_R"})
    assert response.status_code == 422
    assert "must end differently" in response.text
    client.post("/templates/new/", data | {"front": "_r", "back": "_v"})
    template = FieldTemplate.objects.get(name="Drawers")
    names = {"how": "names", "front": "_r", "back": "_v"}
    assert template.scans == {"rotation": 90, "trim": True, "pass_blank": False, "pairing": names}
    page = client.get(f"/templates/{template.pk}/").text
    for sentence in ("a quarter to the right", "frame is cut off", "Blank scans are read, too", "of backs in “_v”"):
        assert sentence in page
    edit = client.get(f"/templates/{template.pk}/edit/").context["form"]
    assert {name: edit[name].value() for name in ("turn", "trim", "sheets", "read_blank", "pairing", "back")} == {
        "turn": "90",
        "trim": True,
        "sheets": False,
        "read_blank": True,
        "pairing": "names",
        "back": "_v",
    }
    copy = client.get(f"/templates/new/?from={template.pk}").context["form"]
    assert copy["turn"].value() == "90"
    client.post(f"/templates/{template.pk}/edit/", {"name": "Drawers", "everybody": "edit", "sheets": "on"})
    template.refresh_from_db()
    assert template.scans == {"sheets": True}
