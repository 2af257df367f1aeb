"""Templates for programs."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router, Status

from cardocr_site.contract import Listed, Paging, Refused, Reply, invalid, listed, not_found, reply
from ocr.fields import FieldSpec
from templates_app import exchange, versions
from templates_app.models import FieldTemplate, FieldTemplateQuerySet
from templates_app.schemas import FieldIn, TemplateFile, TemplateFileIn, TemplateIn, TemplateOut

router = Router(tags=["Templates"])


def _out(template: FieldTemplate) -> dict[str, Any]:
    newest = template.newest
    same = ("name", "description", "everybody", "stay_inside", "created_at", "updated_at")
    return {name: getattr(template, name) for name in same} | {
        "id": template.pk,
        "owner": template.owner.get_username() if template.owner else None,
        "version": newest.number,
        "version_id": newest.pk,
        "instruction": newest.instruction,
        "fields": [spec.to_dict() for spec in newest.specs()],
    }


def _all(templates: Iterable[FieldTemplate]) -> list[dict[str, Any]]:
    return [_out(template) for template in templates]


def _visible(request: HttpRequest, template_id: int) -> FieldTemplate:
    """Raises Refused."""
    user: Any = request.user
    visible = FieldTemplate.objects.visible_to(user).select_related("owner")
    found = visible.filter(pk=template_id).first() if abs(template_id) < 2**63 else None
    if found is None:
        raise not_found()
    return found


def _allowed(request: HttpRequest, template_id: int, mine: FieldTemplateQuerySet) -> FieldTemplate:
    """Raises Refused."""
    template = _visible(request, template_id)
    if not mine.filter(pk=template.pk).exists():
        raise Refused("PERMISSION_DENIED", _("You may use this template, and not change it."))
    return template


def _makes(request: HttpRequest) -> Any:
    user: Any = request.user
    if not user.runs:
        raise Refused("PERMISSION_DENIED", _("Your role makes no templates."))
    return user


def _specs(fields: Sequence[FieldIn]) -> list[FieldSpec]:
    try:
        return exchange.load({"fields": [one.dict(exclude_unset=True) for one in fields]}) if fields else []
    except ValueError as error:
        raise invalid("fields", str(error)) from error


@router.get("/templates", response=Reply[Listed[TemplateOut]])
def list_templates(request: HttpRequest, paging: Query[Paging]) -> Any:
    """The templates that one may use, newest first."""
    user: Any = request.user
    rows = FieldTemplate.objects.visible_to(user).select_related("owner")
    return reply(listed(rows, "-id", paging.cursor, paging.limit, total=rows.count(), shown=_all))


@router.post("/templates", response={201: Reply[TemplateOut]})
def create_template(request: HttpRequest, data: TemplateIn) -> Any:
    """A template with its first version."""
    user = _makes(request)
    specs, instruction = _specs(data.fields), _instruction(data.instruction)
    try:
        template = exchange.create(
            data.name,
            specs,
            user,
            instruction=instruction,
            description=data.description,
            everybody=data.everybody,
            stay_inside=data.stay_inside,
        )
    except (ValueError, IntegrityError) as error:
        raise invalid("name", _("There is a template called “%(name)s” already.") % {"name": data.name}) from error
    return Status(201, reply(_out(template)))


def _instruction(text: str) -> str:
    try:
        return exchange.checked_instruction(text)
    except ValueError as error:
        raise invalid("instruction", str(error)) from error


@router.get("/templates/{int:template_id}", response=Reply[TemplateOut])
def get_template(request: HttpRequest, template_id: int) -> Any:
    """One template, with its newest version."""
    return reply(_out(_visible(request, template_id)))


@router.put("/templates/{int:template_id}", response=Reply[TemplateOut])
def put_template(request: HttpRequest, template_id: int, data: TemplateIn) -> Any:
    """Replace it. Where batches use its newest version, a new one is made; they keep theirs."""
    user: Any = request.user
    template = _allowed(request, template_id, FieldTemplate.objects.editable_by(user))
    specs, instruction = _specs(data.fields), _instruction(data.instruction)
    if data.everybody not in {None, template.everybody}:
        _allowed(request, template_id, FieldTemplate.objects.owned_by(user))
    if FieldTemplate.objects.filter(name=data.name).exclude(pk=template.pk).exists():
        raise invalid("name", _("There is a template called “%(name)s” already.") % {"name": data.name})
    with transaction.atomic():
        template.name, template.description, template.stay_inside = data.name, data.description, data.stay_inside
        template.everybody = data.everybody or template.everybody
        template.save(update_fields=["name", "description", "stay_inside", "everybody", "updated_at"])
        versions.edit(template, user, lambda _old: specs, instruction=instruction)
    return reply(_out(_visible(request, template_id)))


@router.delete("/templates/{int:template_id}", response={200: Reply[None]})
def delete_template(request: HttpRequest, template_id: int) -> Any:
    """For good. Batches keep the fields they have."""
    user: Any = request.user
    _allowed(request, template_id, FieldTemplate.objects.owned_by(user)).delete()
    return reply(None)


@router.post("/templates/import", response={201: Reply[TemplateOut]})
def import_template(request: HttpRequest, data: TemplateFileIn) -> Any:
    """From an exported one. It is yours alone at first; a name that is taken gets a number."""
    user = _makes(request)
    try:
        return Status(201, reply(_out(exchange.take(data.dict(), user))))
    except ValueError as error:
        raise invalid("fields", str(error)) from error


@router.get("/templates/{int:template_id}/export", response=Reply[TemplateFile])
def export_template(request: HttpRequest, template_id: int) -> Any:
    """As another installation takes it in; what stands in `data` is the file."""
    return reply(exchange.dump(_visible(request, template_id).newest))
