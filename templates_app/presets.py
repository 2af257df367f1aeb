"""The templates that come with cardocr: one JSON file each, in `presets/`."""

import json
from pathlib import Path

from django.db import transaction

from templates_app import exchange, versions
from templates_app.models import FieldTemplate
from templates_app.sharing import Everybody

FOLDER = Path(__file__).resolve().parent / "presets"


@transaction.atomic
def install() -> list[FieldTemplate]:
    """Make them, and bring them up to date; one that a person has changed since stays as it is."""
    return [_install(path) for path in sorted(FOLDER.glob("*.json"))]


def _install(path: Path) -> FieldTemplate:
    data = json.loads(path.read_text("utf-8"))
    specs, instruction = exchange.load(data), data["instruction"]
    name = data["name"]
    if FieldTemplate.objects.filter(name=name, shipped=False).exists():
        name = f"{name} (cardocr)"
    template = FieldTemplate.objects.filter(name=name, shipped=True).first()
    if template is None:
        template = versions.create(None, name, specs, instruction=instruction, description=data["description"])
    elif _changed_by_people(template):
        return template
    newest = versions.edit(template, None, lambda _: specs, instruction=instruction)
    # The two times agree as long as nobody else has edited it.
    FieldTemplate.objects.filter(pk=template.pk).update(
        shipped=True, everybody=Everybody.READ, description=data["description"], updated_at=newest.created_at
    )
    template.refresh_from_db()
    return template


def _changed_by_people(template: FieldTemplate) -> bool:
    newest = template.newest
    return newest.created_by_id is not None or template.updated_at != newest.created_at
