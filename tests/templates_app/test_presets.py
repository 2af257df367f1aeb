import json
from pathlib import Path
from typing import Any

import pytest

from batches.models import Batch
from cardocr_site.accounts.models import User
from ocr.fields import FieldSpec
from templates_app import presets, versions
from templates_app.models import FieldTemplate, FieldTemplateVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(presets, "FOLDER", tmp_path)
    return tmp_path


def write(folder: Path, *labels: str, **more: Any) -> None:
    data = {"name": "Cards", "description": "", "instruction": "", "fields": [{"label": label} for label in labels]}
    (folder / "cards.json").write_text(json.dumps(data | more), "utf-8")


def labels(template: FieldTemplate) -> list[str]:
    return [spec.label for spec in template.newest.specs()]


def test_the_sample_cards_have_their_template() -> None:
    presets.install()
    template = FieldTemplate.objects.get(name="Sample cards")
    assert (template.shipped, template.everybody, template.owner) == (True, "read", None)
    assert labels(template)[:3] == ["Author", "Title", "Place"]


def test_installing_twice_changes_nothing() -> None:
    before = [(t.pk, t.updated_at, t.newest.pk) for t in presets.install()]
    assert [(t.pk, t.updated_at, t.newest.pk) for t in presets.install()] == before
    assert FieldTemplateVersion.objects.count() == len(before)


def test_a_newer_release_brings_it_up_to_date(folder: Path) -> None:
    write(folder, "Author")
    presets.install()
    write(folder, "Author", "Title", instruction="As it stands.")
    [template] = presets.install()
    assert labels(template) == ["Author", "Title"]
    assert template.newest.instruction == "As it stands."
    write(folder, "Author", description="Of music.")
    assert presets.install()[0].description == "Of music."


def test_a_batch_keeps_the_version_that_it_began_with(folder: Path, batch: Batch) -> None:
    write(folder, "Author")
    batch.template_version = presets.install()[0].newest
    batch.save()
    write(folder, "Author", "Title")
    [template] = presets.install()
    assert template.newest.number == 2
    assert [spec.label for spec in batch.template_version.specs()] == ["Author"]


def test_what_a_person_has_changed_stays(folder: Path, administrator: User) -> None:
    write(folder, "Author")
    [template] = presets.install()
    versions.edit(template, administrator, lambda specs: [*specs, FieldSpec("drawer", "Drawer")])
    write(folder, "Author", "Title")
    presets.install()
    assert labels(template) == ["Author", "Drawer"]


def test_a_template_of_the_same_name_is_left_alone(folder: Path, user: User) -> None:
    own = versions.create(user, "Cards", [FieldSpec("mine", "Mine")])
    write(folder, "Author")
    presets.install()
    presets.install()
    assert labels(own) == ["Mine"]
    assert labels(FieldTemplate.objects.get(shipped=True)) == ["Author"]
    assert FieldTemplate.objects.count() == 2
