"""What a batch asks of each card besides its fields, in words; and what an engine cannot do of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from batches.models import Batch
from ocr.models import Engine


@dataclass(frozen=True, slots=True)
class Wish:
    """An option: as it is offered, and as it is told. `model`: only an engine with an AI model can do it."""

    label: str
    told: str
    model: bool = True


WISHES = {
    "transcribe": Wish(
        gettext_noop("Also write down all text on the card"),
        gettext_noop("All text on the card is written down as well."),
        model=False,
    ),
    "describe_pictures": Wish(
        gettext_noop("Describe the pictures on the card"),
        gettext_noop("Pictures on the card are described."),
    ),
    "summarize": Wish(
        gettext_noop("Sum the card up in one sentence"),
        gettext_noop("Each card is summed up in one sentence."),
    ),
    "multiple_entries": Wish(
        gettext_noop("A card may hold several entries"),
        gettext_noop("A card may hold several entries, each with these fields."),
    ),
}


def told(batch: Batch) -> list[str]:
    """A sentence for each thing that is asked for."""
    return [_(wish.told) for name, wish in WISHES.items() if batch.option(name)]


def possible(engine: Engine, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, without what this engine cannot do."""
    refused = _refused(engine, options)
    return {name: False if name in refused else value for name, value in options.items()}


def refusal(engine: Engine, options: Mapping[str, Any]) -> str:
    """Why this engine cannot read with these options; empty where it can."""
    refused = _refused(engine, options)
    if not refused:
        return ""
    wishes = "; ".join(_("“%(label)s”") % {"label": _(WISHES[name].label)} for name in refused)
    said = _("“%(engine)s” reads text alone. Switch off %(wishes)s, or choose an engine with an AI model.")
    return said % {"engine": engine.name, "wishes": wishes}


def _refused(engine: Engine, options: Mapping[str, Any]) -> list[str]:
    if engine.kind != Engine.Kind.LOCAL:
        return []
    return [name for name, wish in WISHES.items() if wish.model and options.get(name)]
