"""Words for the types of fields, and the inputs of the engines' models."""

from django import template
from django.forms import BoundField, Form

from ocr.fields import FieldSpec, FieldType
from templates_app import choices
from templates_app.forms import TYPE_LABELS

register = template.Library()


@register.filter
def type_label(kind: str) -> str:
    return str(TYPE_LABELS[FieldType(kind)])


@register.filter
def choices_told(spec: FieldSpec) -> list[str]:
    return choices.told(spec)


@register.filter
def model_field(form: Form, pk: int) -> BoundField:
    """The form's input for the model of one engine."""
    return form[f"model_{pk}"]
