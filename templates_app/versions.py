"""Making templates and their versions. A version that a batch points at never changes again."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from ocr.fields import FieldSpec
from templates_app import sharing
from templates_app.editing import Edit, Refused
from templates_app.models import Field, FieldTemplate, FieldTemplateVersion


@transaction.atomic
def create(
    user: Any,
    name: str,
    specs: Sequence[FieldSpec] = (),
    *,
    instruction: str = "",
    description: str = "",
    everybody: str | None = None,
    stay_inside: bool = False,
    scans: dict[str, Any] | None = None,
) -> FieldTemplate:
    template = FieldTemplate.objects.create(
        name=name,
        description=description,
        owner=user,
        everybody=everybody or sharing.at_first(),
        stay_inside=stay_inside,
        scans=scans or {},
    )
    version = template.versions.create(number=1, instruction=instruction, created_by=user)
    _write(version, specs)
    return template


@transaction.atomic
def edit(template: FieldTemplate, user: Any, change: Edit, *, instruction: str | None = None) -> FieldTemplateVersion:
    """Change the newest version where no batch points at it; otherwise make the next one."""
    FieldTemplate.objects.select_for_update().get(pk=template.pk)
    newest = template.newest
    specs = change(newest.specs())
    wanted = newest.instruction if instruction is None else instruction
    if specs == newest.specs() and wanted == newest.instruction:
        return newest
    if newest.batches.exists():
        newest = template.versions.create(number=newest.number + 1, instruction=wanted, created_by=user)
    elif wanted != newest.instruction:
        newest.instruction = wanted
        newest.save(update_fields=["instruction"])
    _write(newest, specs)
    template.save(update_fields=["updated_at"])
    return newest


class ChangedMeanwhile(Refused):
    def __init__(self) -> None:
        super().__init__(_("Somebody has made another version meanwhile. Look again at what would change."))


@transaction.atomic
def go_back(
    template: FieldTemplate, user: Any, old: FieldTemplateVersion, newest_seen: int
) -> FieldTemplateVersion | None:
    """Make a version that says what an older one says; None where the newest says the same. Raises ChangedMeanwhile.

    Always a new one, also where no batch uses the newest: what that says must be there to go back to.
    """
    FieldTemplate.objects.select_for_update().get(pk=template.pk)
    newest = template.newest
    if newest.number != newest_seen:
        raise ChangedMeanwhile
    if (newest.specs(), newest.instruction) == (old.specs(), old.instruction):
        return None
    made = template.versions.create(number=newest.number + 1, instruction=old.instruction, created_by=user)
    _write(made, old.specs())
    template.save(update_fields=["updated_at"])
    return made


def _write(version: FieldTemplateVersion, specs: Sequence[FieldSpec]) -> None:
    version.fields.all().delete()
    Field.objects.bulk_create(
        Field(version=version, position=position, **spec.to_dict()) for position, spec in enumerate(specs)
    )
