"""What reading cards again would mean: which cards, which fields, and why it cannot be done now."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from batches.models import Batch, Card, Rereading
from batches.queries import besides, budgets, house
from batches.states import BatchStatus, CardStatus
from ocr.fields import FieldSpec
from ocr.models import Engine
from templates_app.comparing import Comparison, compare
from templates_app.models import FieldTemplate, FieldTemplateVersion

READ = (CardStatus.COMPLETED, CardStatus.FAILED)  # what can be read again
SINCE = "since"  # in a batch's field: the version that brought it, after the start


@dataclass(frozen=True, slots=True)
class Means:
    """What the cards are to be read with. Without a version: the fields as they are in the batch."""

    engine: Engine
    model: str = ""
    version: FieldTemplateVersion | None = None
    only_new: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """The cards that are meant, by what people did to them."""

    number: int
    reviewed: int
    corrected: int
    failed: int


def scope(cards: QuerySet[Card]) -> Scope:
    readable = cards.filter(status__in=READ).order_by()
    numbers = readable.aggregate(
        number=Count("pk"),
        failed=Count("pk", filter=Q(status=CardStatus.FAILED)),
        reviewed=Count("pk", filter=Q(reviewed=True)),
    )
    touched = Card.objects.filter(pk__in=readable.values("pk"), revisions__isnull=False)
    return Scope(corrected=touched.values("pk").distinct().count(), **numbers)


def refusal(batch: Batch) -> str:
    """Why its cards cannot be read again now, in a sentence; empty: they can."""
    if batch.is_draft:
        return _("This batch was not started yet.")
    if batch.rereading_id is not None:
        return _("Cards of this batch are being read again already. Wait until that is over, or stop it.")
    if batch.is_active:
        return _("This batch is being read. Wait until it is over, or stop it.")
    if batch.status == BatchStatus.PAUSED:
        return _("This batch is paused. Resume it or stop it first.")
    return ""


def objection(batch: Batch, means: Means) -> str:
    """Why these means will not do, in a sentence; empty: they will."""
    if not means.engine.enabled:
        return _("That engine is not in use any more.")
    if means.engine.kind != Engine.Kind.LOCAL and not (means.model or means.engine.model):
        return _("Name the model: this engine has none of its own.")
    if not asked(batch, means):
        if means.only_new and not new_fields(batch, means.version):
            return _("There is no new field in these: choose the version that has them, or take the tick off.")
        return _("There is no field to read.")
    refused = house.refusal(batch, means.engine) or besides.refusal(means.engine, batch.options)
    return refused or budgets.used_up(batch, means.engine)


def last(batch: Batch) -> Rereading | None:
    """The one under way, or the newest."""
    return batch.rereadings.select_related("engine", "template_version").order_by("-pk").first()


def versions(batch: Batch) -> list[FieldTemplateVersion]:
    """Newer ones of its template, the newest first."""
    if batch.template_version is None:
        return []
    newer = batch.template_version.template.versions.filter(number__gt=batch.template_version.number)
    return list(newer.order_by("-number"))


def newer(batch: Batch, user: Any) -> Comparison | None:
    """What the newest version of its template changes; None where that is no newer or says the same."""
    used = batch.template_version
    if used is None or not FieldTemplate.objects.visible_to(user).filter(pk=used.template_id).exists():
        return None
    comparison = compare(used, used.template.newest)
    return comparison if comparison.new.number > used.number and comparison.differs else None


def new_fields(batch: Batch, version: FieldTemplateVersion | None) -> list[FieldSpec]:
    """Those that some cards were never asked for."""
    if version is None:
        brought = {field["key"] for field in batch.fields if SINCE in field}
        return [spec for spec in batch.specs() if spec.key in brought]
    asked_from_the_start = {field["key"] for field in batch.fields if field.get("active", True) and SINCE not in field}
    return [spec for spec in version.specs() if spec.active and spec.key not in asked_from_the_start]


def asked(batch: Batch, means: Means) -> list[FieldSpec]:
    if means.only_new:
        return new_fields(batch, means.version)
    return [spec for spec in means.version.specs() if spec.active] if means.version else batch.specs()


def united(batch: Batch, version: FieldTemplateVersion | None) -> list[dict[str, Any]]:
    """The batch's fields with those of the version: its definitions win, what it has not stays as a column."""
    if version is None:
        return list(batch.fields)
    known: dict[str, Any] = {field["key"]: field for field in batch.fields}
    new = {spec.key for spec in new_fields(batch, version)}
    fields = []
    for spec in version.specs():
        before = known.pop(spec.key, None)
        if before is not None and before.get("active", True) and not spec.active:
            spec = replace(spec, active=True)  # its values stay to be seen
        since = (before or {}).get(SINCE, version.number)
        fields.append(spec.to_dict() | ({SINCE: since} if spec.key in new else {}))
    return [*fields, *known.values()]


def expected_cost(batch: Batch, means: Means, number: int) -> Decimal | None:
    """Of all of them; None: not known."""
    as_read = _as_if(batch, means)
    each = budgets.card_cost(as_read, means.engine)
    return None if each is None else each * number


def _as_if(batch: Batch, means: Means) -> Batch:
    """The batch, not to be saved, as if it were read with them."""
    if batch.engine_id == means.engine.pk and (means.model or means.engine.model) == batch.model:
        return batch
    return Batch(engine=means.engine, model=means.model or means.engine.model, currency=batch.currency)
