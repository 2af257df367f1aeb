"""What a batch is told of a newer version of its template."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from batches.actions import drafts
from batches.models import Batch
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from templates_app import editing, versions
from templates_app.models import FieldTemplate


@pytest.fixture
def newer(batch: Batch, user: User) -> FieldTemplate:
    """A template whose version 1 the batch has, and a version 2 of it."""
    specs = batch.specs(active_only=False)
    template = versions.create(user, "Music", specs, instruction="Scores.")
    Batch.objects.filter(pk=batch.pk).update(template_version=template.newest, instruction="Scores.")
    versions.edit(template, user, lambda specs: editing.added(editing.removed(specs, "year"), "Publisher"))
    batch.refresh_from_db()
    return template


def told(client: Client, batch: Batch) -> str:
    return " ".join(client.get(reverse("batch_fields", args=[batch.pk])).text.split())


def test_a_draft_is_told_of_a_newer_version_and_takes_it_over(
    ingrid: Client, batch: Batch, newer: FieldTemplate
) -> None:
    page = told(ingrid, batch)
    assert "There is a version 2 of “Music”" in page
    assert "This batch has version 1. Taking the new one over replaces" in page
    assert "<li>Added: <b>Publisher</b></li><li>Removed: <b>Year</b></li>" in page
    assert f"{reverse('template_compare', args=[newer.pk])}?version=1&amp;with=2" in page

    drafts.edit_fields(batch, lambda specs: editing.added(specs, "Own"))
    assert "Its fields were changed here since: those changes would be lost." in told(ingrid, batch)

    ingrid.post(reverse("fields_from_template", args=[batch.pk]), {"template": str(newer.pk)})
    assert [spec.key for spec in Batch.objects.get(pk=batch.pk).specs()] == ["author", "title", "publisher"]
    assert "There is a version" not in told(ingrid, batch)


def test_a_started_batch_is_led_to_reading_again_with_the_newer_version(
    ingrid: Client, batch: Batch, newer: FieldTemplate
) -> None:
    reread = f"{reverse('batch_reread', args=[batch.pk])}?version={newer.newest.pk}"
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    page = told(ingrid, batch)
    assert "Wait until it is over, or stop it. Then its cards can be read again" in page
    assert reread not in page

    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.COMPLETED)
    assert reread in told(ingrid, batch)
    again = ingrid.get(reread)
    assert re.search(rf'<option value="{newer.newest.pk}" selected>', again.text)
    assert again.context["means"].version == newer.newest


def test_who_may_not_see_the_template_is_told_nothing_of_it(
    client: Client, batch: Batch, other_user: User, newer: FieldTemplate
) -> None:
    client.force_login(other_user)
    page = told(client, batch)
    assert "There is a version 2" in page
    assert "Whoever may change this batch" in page
    assert "Take over" not in page
    FieldTemplate.objects.filter(pk=newer.pk).update(everybody="none")
    assert "There is a version" not in told(client, batch)


def test_a_newer_version_that_says_the_same_is_not_told(ingrid: Client, batch: Batch, newer: FieldTemplate) -> None:
    assert newer.owner is not None
    versions.go_back(newer, newer.owner, newer.versions.get(number=1), 2)
    assert "There is a version" not in told(ingrid, batch)
