"""Which batches use a template's versions: those that a person may see. Of others not even the number is told."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, F, Window
from django.db.models.functions import RowNumber

from batches.models import Batch
from templates_app.models import FieldTemplate

NAMED = 3  # batches of a version, the newest first


@dataclass(slots=True)
class Use:
    """Of one version."""

    number: int = 0
    batches: list[Batch] = field(default_factory=list)

    @property
    def more(self) -> int:
        return self.number - len(self.batches)


def by_version(template: FieldTemplate, user: Any) -> dict[int, Use]:
    """Two questions, however many batches there are; by the version's key."""
    visible = Batch.objects.visible_to(user).filter(template_version__template=template)
    counts = visible.order_by().values_list("template_version").annotate(n=Count("pk"))
    uses = {version: Use(number) for version, number in counts}
    place = Window(RowNumber(), partition_by="template_version", order_by=[F("changed_at").desc(), F("pk").desc()])
    for batch in visible.annotate(place=place).filter(place__lte=NAMED).order_by("-changed_at", "-pk"):
        uses.setdefault(batch.template_version_id or 0, Use()).batches.append(batch)
    return uses


def counts(templates: Iterable[FieldTemplate], user: Any) -> dict[int, int]:
    """How many batches were made with each, of all its versions."""
    visible = Batch.objects.visible_to(user).filter(template_version__template__in=list(templates))
    return dict(visible.order_by().values_list("template_version__template").annotate(n=Count("pk")))
