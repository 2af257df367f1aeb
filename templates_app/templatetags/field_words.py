"""Words for the types of fields, and the inputs of the engines' models."""

from django import template
from django.forms import BoundField, Form

from ocr.fields import FieldType
from templates_app.forms import TYPE_LABELS

register = template.Library()


@register.filter
def type_label(kind: str) -> str:
    return str(TYPE_LABELS[FieldType(kind)])


@register.filter
def model_field(form: Form, pk: int) -> BoundField:
    """The form's input for the model of one engine."""
    return form[f"model_{pk}"]
