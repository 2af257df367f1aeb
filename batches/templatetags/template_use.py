"""For the pages of templates, which know nothing of batches: those that the reader may see."""

from collections.abc import Iterable
from typing import Any

from django import template

from batches.queries import using
from templates_app.models import FieldTemplate

register = template.Library()


@register.simple_tag(takes_context=True)
def use_by_version(context: template.Context, of: FieldTemplate) -> dict[int, using.Use]:
    return using.by_version(of, _reader(context))


@register.simple_tag(takes_context=True)
def batch_counts(context: template.Context, templates: Iterable[FieldTemplate]) -> dict[int, int]:
    return using.counts(templates, _reader(context))


def _reader(context: template.Context) -> Any:
    return context["request"].user
