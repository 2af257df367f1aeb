"""What may be done to a batch before its start: cards, fields, engine."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from batches import changes, tasks
from batches.actions import activity
from batches.drain import duplicates
from batches.intake import adding, order, upright
from batches.models import Batch, Card, new_uid
from batches.queries import besides
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from ocr import people
from ocr.fields import FieldSpec
from ocr.models import Engine
from templates_app import editing
from templates_app.models import FieldTemplate, FieldTemplateVersion

SAMPLE_TEMPLATE = "Sample cards"


Refused = editing.Refused


class BatchLocked(Refused):
    """The batch was started: its cards, fields and engine are fixed."""

    code = "BATCH_LOCKED"

    def __init__(self) -> None:
        super().__init__(_("This batch was started: its cards, fields and engine are fixed."))


@contextmanager
def draft(batch: Batch) -> Iterator[changes.Change]:
    with changes.locked(batch) as change:
        if not change.batch.is_draft:
            raise BatchLocked
        yield change


def create(
    user: User,
    name: str,
    collection: str = "",
    *,
    sample: bool = False,
    template_version: FieldTemplateVersion | None = None,
    uid: str = "",
) -> Batch:
    """Make a draft, read as this person likes it. The same uid, sent twice, gives the same draft."""
    engine, model = people.preferred(user)
    batch, made = Batch.objects.get_or_create(
        uid=uid or new_uid(),
        owner=user,
        defaults={
            "name": name,
            "collection": collection,
            "is_sample": sample,
            "engine": engine,
            "model": model,
            "template_version": template_version,
            "fields": [spec.to_dict() for spec in template_version.specs()] if template_version else [],
            "instruction": template_version.instruction if template_version else "",
            "options": marked({**upright.first_options(), **of_scans(template_version)}, template_version),
        },
    )
    if made:
        activity.record(batch, user, "create")
    return batch


def sample(user: User) -> Batch:
    """The person's own draft of sample cards; made where there is none."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # two clicks make one batch
        batch = Batch.objects.filter(owner=user, is_sample=True, deleted_at=None, status=BatchStatus.DRAFT).first()
        if batch is None:
            template = FieldTemplate.objects.filter(shipped=True, name__startswith=SAMPLE_TEMPLATE).first()
            version = template.newest if template else None
            batch = create(user, _("Sample cards"), sample=True, template_version=version)
            if (local := Engine.objects.filter(enabled=True, kind=Engine.Kind.LOCAL).first()) is not None:
                set_engine(batch, local)  # it needs nothing and costs nothing: they are tried at once
    adding.add_samples(batch)  # harmless where they are there already
    tasks.prepare(batch.pk)
    return batch


def set_fields(
    batch: Batch, specs: Sequence[FieldSpec], instruction: str | None = None, by: User | None = None
) -> None:
    """Without an instruction the batch keeps the one it has."""
    with draft(batch) as change:
        change.set(fields=[spec.to_dict() for spec in specs])
        activity.record(change.batch, by, "fields", group=True)
        if instruction is not None:
            change.set(instruction=instruction)


def edit_fields(batch: Batch, edit: editing.Edit, by: User | None = None) -> list[FieldSpec]:
    """Change the list as it stands now, so that two people at two fields do not undo each other."""
    with draft(batch) as change:
        specs = edit(change.batch.specs(active_only=False))
        change.set(fields=[spec.to_dict() for spec in specs])
        activity.record(change.batch, by, "fields", group=True)
    return specs


def set_instruction(batch: Batch, instruction: str, by: User | None = None) -> None:
    with draft(batch) as change:
        change.set(instruction=instruction)
        activity.record(change.batch, by, "instruction", group=True)


def use_template(batch: Batch, version: FieldTemplateVersion, by: User | None = None) -> None:
    """Take a template's fields instead of those there are."""
    with draft(batch) as change:
        change.set(
            template_version=version,
            fields=[spec.to_dict() for spec in version.specs()],
            instruction=version.instruction,
            options=marked(change.batch.options | ({} if change.batch.total else of_scans(version)), version),
        )
        activity.record(change.batch, by, "template", template=str(version))


def of_scans(version: FieldTemplateVersion | None) -> dict[str, Any]:
    """How the template wants scans to be prepared. Those that are there are not prepared anew for it."""
    return dict(version.template.scans) if version else {}


def marked(options: dict[str, Any], version: FieldTemplateVersion | None) -> dict[str, Any]:
    """With the template's mark that its cards must not leave the house. A batch's own mark is never taken off."""
    return {**options, "stay_inside": True} if version and version.template.stay_inside else options


def set_engine(
    batch: Batch,
    engine: Engine,
    model: str = "",
    options: dict[str, Any] | None = None,
    by: User | None = None,
) -> None:
    """Raises editing.Refused where options are given that this engine cannot read with."""
    if refusal := besides.refusal(engine, options or {}):
        raise editing.Refused(refusal)
    with draft(batch) as change:
        change.set(engine=engine, model=model)
        activity.record(change.batch, by, "engine", group=True, engine=engine.name)
        if options is not None:
            change.set(options={**change.batch.options, **options})


def set_options(batch: Batch, options: dict[str, Any], by: User | None = None) -> None:
    """Those that are given. Raises editing.Refused where its engine cannot read with them."""
    with draft(batch) as change:
        wanted = {**change.batch.options, **options}
        if change.batch.engine is not None and (refusal := besides.refusal(change.batch.engine, wanted)):
            raise editing.Refused(refusal)
        change.set(options=wanted)
        activity.record(change.batch, by, "options", group=True)


def keep_inside(batch: Batch) -> None:
    """Its cards must not leave the house."""
    with draft(batch) as change:
        change.set(options={**change.batch.options, "stay_inside": True})


def set_duplicates(batch: Batch, how: str) -> None:
    """What becomes of scans that were read before: duplicates.CHOICES; anything else is left out."""
    if how in duplicates.CHOICES:
        with draft(batch) as change:
            change.set(options={**change.batch.options, "on_duplicate": how})


def move_card(batch: Batch, card: Card, to: str, by: User | None = None) -> None:
    """`to`: up, down, or a place from 1. Raises Refused."""
    step = next((step for step in order.STEPS if step == to), None)
    if step is None and not (to.isdecimal() and to.isascii() and len(to) < 10):
        raise Refused(_("Type the place as a number, from 1."))
    with draft(batch) as change:
        order.move(change, card, step or int(to))
        activity.record(change.batch, by, "order", group=True)


def order_cards(batch: Batch, by: User | None = None) -> None:
    """In the natural order of their names again."""
    with draft(batch) as change:
        order.natural(change)
        activity.record(change.batch, by, "order", group=True)


def remove_cards(batch: Batch, cards: Iterable[Card], by: User | None = None) -> None:
    cards = list(cards)
    with draft(batch) as change:
        if cards:
            activity.record(change.batch, by, "remove_scans", len(cards), group=True)
    adding.remove(cards)
