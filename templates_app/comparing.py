"""What differs between two versions of a template: fields and instruction, word for word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from ocr.fields import FieldSpec
from templates_app import choices
from templates_app.forms import TYPE_LABELS, as_written
from templates_app.models import FieldTemplateVersion


@dataclass(frozen=True, slots=True)
class Part:
    """One thing said of a field, as it was and as it is."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Difference:
    """`kind`: changed, added, removed, moved."""

    label: str
    kind: str
    word: str
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Comparison:
    old: FieldTemplateVersion
    new: FieldTemplateVersion
    differences: list[Difference]
    same: int
    instruction: Part | None

    @property
    def differs(self) -> bool:
        return bool(self.differences or self.instruction)


def compare(old: FieldTemplateVersion, new: FieldTemplateVersion) -> Comparison:
    before, after = old.specs(), new.specs()
    differences = list(_differences(before, after))
    changed = {one.label for one in differences if one.kind != "removed"}
    instruction = None
    if old.instruction != new.instruction:
        instruction = Part(_("What is true of all cards"), old.instruction, new.instruction)
    return Comparison(old, new, differences, sum(spec.label not in changed for spec in after), instruction)


def _differences(before: Sequence[FieldSpec], after: Sequence[FieldSpec]) -> Iterator[Difference]:
    known = {spec.key: spec for spec in before}
    kept = [spec.key for spec in after if spec.key in known]
    order = [spec.key for spec in before if spec.key in kept]
    for spec in after:
        if spec.key not in known:
            yield Difference(spec.label, "added", _("added"), [Part(_("Type"), "", str(TYPE_LABELS[spec.type]))])
        elif parts := _parts(known[spec.key], spec):
            yield Difference(spec.label, "changed", _("changed"), parts)
        elif kept.index(spec.key) != order.index(spec.key):
            place = Part(_("Place"), str(before.index(known[spec.key]) + 1), str(after.index(spec) + 1))
            yield Difference(spec.label, "moved", _("moved"), [place])
    gone = {spec.key for spec in after}
    for spec in before:
        if spec.key not in gone:
            yield Difference(spec.label, "removed", _("removed"), [Part(_("Type"), str(TYPE_LABELS[spec.type]), "")])


def _parts(old: FieldSpec, new: FieldSpec) -> list[Part]:
    there, here = _said(old), _said(new)
    return [Part(name, there[name], here[name]) for name in here if there[name] != here[name]]


def _said(spec: FieldSpec) -> dict[str, str]:
    written: dict[str, Any] = as_written(spec)
    yes, no = _("yes"), _("no")
    return {
        _("Label"): written["label"],
        _("Type"): str(TYPE_LABELS[spec.type]),
        _("Instruction"): written["instruction"],
        _("Required"): yes if spec.required else no,
        _("Read this field"): yes if spec.active else no,
        _("Choices"): ", ".join(choices.told(spec)),
        _("Accept what is not on the list"): yes if spec.open_list else no,
        _("Pattern"): written["pattern"],
        _("Example"): written["example"],
        _("Flag below"): "" if spec.threshold is None else f"{spec.threshold:.2f}",
        _("Also labelled"): written["aliases"],
        _("Starts with or contains"): written["keywords"],
        _("Place on the card"): written["position"],
        _("Never if it holds"): written["avoid"],
        _("Read until"): written["until"],
    }
