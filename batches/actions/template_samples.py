"""Which card a template shows beside its fields."""

from batches.models import Card, TemplateSample
from templates_app.models import FieldTemplate


def keep(template: FieldTemplate, card: Card) -> None:
    TemplateSample.objects.update_or_create(template=template, defaults={"card": card})
