"""For the pages of templates, which know nothing of batches: those that the reader may see."""

from collections.abc import Iterable
from typing import Any

from django import template

from batches.exports import Options
from batches.exports.table import Table
from batches.models import Batch
from batches.queries import template_samples, using
from batches.queries.asked import whole_number
from ocr.fields import FieldSpec
from templates_app.models import FieldTemplate

register = template.Library()


@register.simple_tag(takes_context=True)
def use_by_version(context: template.Context, of: FieldTemplate) -> dict[int, using.Use]:
    return using.by_version(of, _reader(context))


@register.simple_tag(takes_context=True)
def batch_counts(context: template.Context, templates: Iterable[FieldTemplate]) -> dict[int, int]:
    return using.counts(templates, _reader(context))


@register.simple_tag(takes_context=True)
def sample_of(context: template.Context, of: FieldTemplate) -> dict[str, Any]:
    """The scan that the address asks for, else the template's own, and what else can be chosen."""
    query, reader = context["request"].GET, _reader(context)
    asked = {name: whole_number(query.get(name)) or 0 for name in ("card", "batch")}
    offers = template_samples.offered(of, reader)
    return {"offers": offers, "shown": template_samples.shown(of, reader, offers, **asked)}


@register.simple_tag
def export_columns(specs: list[FieldSpec]) -> list[dict[str, Any]]:
    """What exports call each field that is read: by the writers' own rules."""
    batch = Batch(fields=[spec.to_dict() for spec in specs])
    labels, keys = (Table(batch, Options(form="both", keys=keys)).names() for keys in (False, True))
    named = [(column.spec, column.form, label, key) for (column, label), (_, key) in zip(labels, keys, strict=True)]
    return [
        {"spec": spec, "names": [(form, label, key) for of, form, label, key in named if of.key == spec.key]}
        for spec in specs
        if spec.active
    ]


def _reader(context: template.Context) -> Any:
    return context["request"].user
