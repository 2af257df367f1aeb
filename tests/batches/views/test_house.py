"""The mark that cards must not leave the house: on the fields page, from the template, into the batch."""

import pytest
from django.test import Client
from django.urls import reverse

from batches.actions import drafts
from batches.models import Batch
from cardocr_site.accounts.models import User
from ocr.fields import FieldSpec
from ocr.models import Engine
from templates_app import versions
from templates_app.models import FieldTemplate


@pytest.fixture
def marked(user: User) -> FieldTemplate:
    return versions.create(user, "Personal files", [FieldSpec("name", "Name")], stay_inside=True)


def save(client: Client, batch: Batch, engine: Engine, **ticked: str) -> int:
    data = {"engine": engine.pk, "retries": "1"} | ticked
    headers = {"HX-Request": "true", "HX-Target": "said-engine"}
    return client.post(reverse("batch_engine", args=[batch.pk]), data, headers=headers).status_code


def stays(batch: Batch) -> bool:
    return bool(Batch.objects.get(pk=batch.pk).option("stay_inside"))


def test_the_mark_is_set_and_taken_off(ingrid: Client, batch: Batch, engine: Engine) -> None:
    assert save(ingrid, batch, engine, stay_inside="on") == 200
    assert stays(batch)
    assert save(ingrid, batch, engine) == 200
    assert not stays(batch)


@pytest.mark.parametrize("way", ["at the start", "later"])
def test_a_template_marks_the_batches_that_use_it(user: User, batch: Batch, marked: FieldTemplate, way: str) -> None:
    if way == "later":
        drafts.use_template(batch, marked.newest)
    else:
        batch = drafts.create(user, "Drawer", template_version=marked.newest)
    assert stays(batch)


def test_another_template_does_not_take_the_mark_off(user: User, batch: Batch, marked: FieldTemplate) -> None:
    drafts.use_template(batch, marked.newest)
    drafts.use_template(batch, versions.create(user, "Plain", [FieldSpec("a", "A")]).newest)
    assert stays(batch)


def test_a_templates_mark_is_not_taken_off_without_saying_so(
    ingrid: Client, batch: Batch, engine: Engine, marked: FieldTemplate
) -> None:
    drafts.use_template(batch, marked.newest)
    assert save(ingrid, batch, engine) == 422
    assert stays(batch)
    assert save(ingrid, batch, engine, may_leave="on") == 200
    assert not stays(batch)
    assert "For this batch the mark was taken off." in ingrid.get(reverse("batch_confirm", args=[batch.pk])).text


def test_the_page_offers_to_take_off_only_what_a_template_has_set(
    ingrid: Client, batch: Batch, marked: FieldTemplate
) -> None:
    page = reverse("batch_fields", args=[batch.pk])
    assert "These cards must not leave the house" in ingrid.get(page).text
    assert "may_leave" not in ingrid.get(page).text
    drafts.use_template(batch, marked.newest)
    assert "“Personal files” says that they must stay." in ingrid.get(page).text


def test_a_template_made_of_a_batch_keeps_the_mark(ingrid: Client, batch: Batch) -> None:
    drafts.keep_inside(batch)
    ingrid.post(reverse("fields_save_template", args=[batch.pk]), {"name": "Kept"})
    assert FieldTemplate.objects.get(name="Kept").stay_inside


def test_a_template_is_marked_on_its_page_and_a_copy_keeps_it(ingrid: Client, user: User) -> None:
    plain = versions.create(user, "Plain", [FieldSpec("a", "A")])
    ingrid.post(reverse("template_edit", args=[plain.pk]), {"name": "Plain", "stay_inside": "on"})
    plain.refresh_from_db()
    assert plain.stay_inside
    assert "Its cards must not leave the house" in ingrid.get(reverse("template_detail", args=[plain.pk])).text
    form = ingrid.get(f"{reverse('template_new')}?from={plain.pk}").text
    assert "checked" in form.split('name="stay_inside"')[1].split(">")[0]


def test_others_do_not_mark_a_template(client: Client, other_user: User, user: User) -> None:
    plain = versions.create(user, "Plain", [FieldSpec("a", "A")])
    client.force_login(other_user)
    data = {"name": "Plain", "stay_inside": "on"}
    assert client.post(reverse("template_edit", args=[plain.pk]), data).status_code == 404
    plain.refresh_from_db()
    assert not plain.stay_inside
