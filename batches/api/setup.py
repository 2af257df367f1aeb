"""What a batch is made with and set to: templates, fields, engines and options as they are sent."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import Group
from django.utils.translation import gettext as _

from batches.actions import drafts, scans, settings
from batches.models import DEFAULT_OPTIONS, Batch
from cardocr_site.accounts.models import User
from cardocr_site.contract import invalid
from ocr.fields import FieldSpec
from ocr.models import Engine
from templates_app import exchange
from templates_app.models import FieldTemplate, FieldTemplateVersion


def template(user: User, template_id: int) -> FieldTemplateVersion:
    """Its newest version. Raises Refused."""
    found = FieldTemplate.objects.visible_to(user).filter(pk=template_id).first()
    if found is None:
        raise invalid("template_id", _("There is no such template, or you may not know of it."))
    return found.newest


def engine(engine_id: int) -> Engine:
    """Raises Refused."""
    found = Engine.objects.filter(pk=engine_id, enabled=True).first()
    if found is None:
        raise invalid("engine_id", _("There is no such engine, or it is not in use."))
    return found


def groups(wanted: Mapping[str, str]) -> dict[Group, str]:
    """Raises Refused where there is no such group."""
    found = {group.name: group for group in Group.objects.filter(name__in=wanted)}
    if strange := sorted(set(wanted) - set(found)):
        raise invalid("sharing.groups", _("There is no group of that name: %(names)s") % {"names": ", ".join(strange)})
    return {found[name]: way for name, way in wanted.items()}


def specs(fields: Sequence[dict[str, Any]]) -> list[FieldSpec]:
    """Checked as those of a template are. Raises Refused."""
    try:
        return exchange.load({"fields": [dict(field) for field in fields]}) if fields else []
    except ValueError as error:
        raise invalid("fields", str(error)) from error


def tags(names: Sequence[str]) -> list[str]:
    """Each once whatever its case. Raises Refused."""
    once: dict[str, str] = {}
    for name in names:
        if len(name) > settings.LONGEST_TAG or "," in name:
            raise invalid("tags", _("A tag has at most %(n)s characters, and no comma.") % {"n": settings.LONGEST_TAG})
        once.setdefault(name.casefold(), name)
    return list(once.values())


def apply(batch: Batch, user: User, given: dict[str, Any]) -> None:
    """Fields, engine, model and options of a draft, as far as they are given. Raises Refused, BatchLocked."""
    if given.get("fields") is not None:
        drafts.set_fields(batch, specs(given["fields"]), given.get("instruction"), user)
    elif given.get("instruction") is not None:
        drafts.set_instruction(batch, given["instruction"], user)
    chosen = engine(given["engine_id"]) if given.get("engine_id") is not None else batch.engine
    if chosen is not None and ("model" in given or chosen != batch.engine):
        drafts.set_engine(batch, chosen, given.get("model", ""), by=user)
    options = given.get("options") or {}
    of_scans = {name: options.pop(name) for name in scans.NAMES if name in options}
    if of_scans:
        before = {name: batch.options.get(name, DEFAULT_OPTIONS[name]) for name in scans.NAMES}
        scans.set_options(batch, before | of_scans, user)
    if options:
        drafts.set_options(batch, options, user)
