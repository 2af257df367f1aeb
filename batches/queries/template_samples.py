"""The scan that is shown beside a template's fields, and where on it each of them was read."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from batches.models import Batch, Card, CardQuerySet, CardScan, TemplateSample
from batches.queries import lists, results
from templates_app.models import FieldTemplate

OFFERED = 30  # batches to choose from
OFFERED_OTHERS = 10  # of them with other fields


@dataclass(frozen=True, slots=True)
class Shown:
    """`row`: what was read of the template's fields. `kept`: the template says that it is this one."""

    card: Card
    row: results.Row
    kept: bool
    stale: bool  # it was read before its scan was replaced: nobody knows the places
    before: int | None
    after: int | None

    @property
    def read(self) -> bool:
        """Whether any of the fields was asked for when it was read."""
        return any(cell.kind not in {"nothing", "not_asked"} for cell in self.row.cells)

    @property
    def placed(self) -> int:
        """How many of the fields have a box."""
        return 0 if self.stale else sum(bool(cell.regions) for cell in self.row.cells)


def seen(user: Any) -> CardQuerySet:
    """Cards with a picture that this person may look at."""
    return Card.objects.visible_to(user).filter(prepared_at__isnull=False, width__gt=0)


def offered(template: FieldTemplate, user: Any) -> list[Batch]:
    """Batches with a scan to show: those with this template first, the newest first."""
    visible = lists.with_first_card(Batch.objects.visible_to(user).filter(total__gt=0)).order_by("-changed_at", "-pk")
    with_it = Q(template_version__template=template)
    found = [*visible.filter(with_it)[:OFFERED], *visible.exclude(with_it)[:OFFERED_OTHERS]]
    return [batch for batch in found if getattr(batch, "first_card", None)]


def shown(template: FieldTemplate, user: Any, offers: list[Batch], *, card: int = 0, batch: int = 0) -> Shown | None:
    """The card asked for; else one of the batch asked for; else the template's own; else one of a batch with it."""
    cards = seen(user).select_related("batch", "result")
    keep = TemplateSample.objects.filter(template=template).values_list("card", flat=True).first()
    found = cards.filter(pk=card).first() if card else None
    if found is None and batch:
        found = _first(cards, batch)
    if found is None and keep:
        found = cards.filter(pk=keep).first()
    if found is None:
        own = next((one for one in offers if one.template_version and one.template_version.template == template), None)
        found = _first(cards, own.pk) if own else None
    return _shown(template, cards, found, keep) if found else None


def _first(cards: CardQuerySet, batch: int) -> Card | None:
    """One that was read shows more."""
    inside = cards.filter(batch=batch).order_by("position", "pk")
    return inside.filter(batch__completed__gt=0, result__isnull=False).first() or inside.first()


def _shown(template: FieldTemplate, cards: CardQuerySet, card: Card, keep: int | None) -> Shown:
    specs = template.newest.specs()
    [row] = results.rows_of({card.batch_id: specs}, [card])
    near = cards.filter(batch=card.batch_id).order_by("position").values_list("pk", flat=True)
    return Shown(
        card,
        row,
        kept=card.pk == keep,
        stale=_replaced(card),
        before=near.filter(position__lt=card.position).last(),
        after=near.filter(position__gt=card.position).first(),
    )


def _replaced(card: Card) -> bool:
    if card.edition == 1 or card.result is None:
        return False
    return card.scans.filter(role=CardScan.Role.EARLIER, at__gt=card.result.created_at).exists()
