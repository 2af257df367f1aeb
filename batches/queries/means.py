"""What cards are read with, and the key by which the same need not be paid twice."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace

from batches.models import Batch, Card, Rereading
from ocr import people, prompts, schema
from ocr.engines.base import ReadOptions, ReadTask
from ocr.fields import FieldSpec
from ocr.models import Engine
from templates_app.models import FieldTemplateVersion


@dataclass(frozen=True, slots=True)
class Setup:
    """What cards are read with: as the start of their batch froze it, or a rereading."""

    engine: Engine
    model: str
    task: ReadTask
    template_version_id: int | None = None
    version: int | None = None  # of the template, as people number it
    prompt_hash: str = ""  # none where nobody is prompted
    schema_hash: str = ""
    rereading_id: int | None = None
    key: str = ""  # of everything that an answer rests on, but the image

    @property
    def every_value(self) -> bool:
        """The engine's confidence proves nothing: every card is to be checked."""
        return self.engine.kind == Engine.Kind.LOCAL


def setup_of(batch: Batch, engine: Engine) -> Setup:
    return _setup(engine, batch.model or engine.model, read_task(batch), batch.template_version)


def setup_again(batch: Batch, rereading: Rereading) -> Setup:
    """What the cards of a rereading are read with: its own means, the batch's options."""
    specs = [FieldSpec.from_dict(data) for data in rereading.fields]
    task = replace(
        read_task(batch), fields=tuple(spec for spec in specs if spec.active), instruction=rereading.instruction
    )
    engine = people.keyed(rereading.engine, rereading.key_of)
    made = _setup(engine, rereading.model or engine.model, task, rereading.template_version)
    return replace(made, rereading_id=rereading.pk)


def _setup(engine: Engine, model: str, task: ReadTask, version: FieldTemplateVersion | None) -> Setup:
    prompted = engine.kind != Engine.Kind.LOCAL
    made = Setup(
        engine=engine,
        model=model,
        task=task,
        template_version_id=version.pk if version else None,
        version=version.number if version else None,
        prompt_hash=prompts.digest(task) if prompted else "",
        schema_hash=schema.digest(task) if prompted else "",
    )
    return replace(made, key=_key(made, prompted=prompted))


def _key(setup: Setup, *, prompted: bool) -> str:
    """Thresholds decide what is looked at, not what is read; hints are seen by engines alone that are not prompted."""
    unseen = {"threshold", "active", *(["hints"] if prompted else [])}
    asked = [{name: part for name, part in spec.to_dict().items() if name not in unseen} for spec in setup.task.fields]
    means = {
        "engine": setup.engine.pk,
        "model": setup.model,
        "template_version": setup.template_version_id,
        "fields": asked,
        "instruction": setup.task.instruction,
        "options": asdict(setup.task.options),
        "prompt": [setup.prompt_hash, setup.schema_hash],
    }
    return hashlib.sha256(json.dumps(means, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Picture:
    """What of a scan decides what an engine sees."""

    sha256: str
    page: int
    rotation: int
    crop: list[int] | None = None

    def __str__(self) -> str:
        region = f" {self.crop}" if self.crop else ""
        return f"{self.sha256} {self.page} {self.rotation}{region}"


def pictures(card: Card) -> list[Picture]:
    """Front and back."""
    return [Picture(scan.sha256, scan.page, scan.rotation, scan.crop) for scan in card.sides]


def read_key(setup: Setup, seen: Iterable[Picture]) -> str:
    """The same for the same bytes, seen the same way up, read with the same means."""
    return hashlib.sha256(" ".join((setup.key, *map(str, seen))).encode()).hexdigest()


def read_task(batch: Batch) -> ReadTask:
    return ReadTask(
        fields=tuple(batch.specs()),
        instruction=batch.instruction,
        options=ReadOptions(**{option.name: batch.option(option.name) for option in fields(ReadOptions)}),
    )
