"""What the field editor shows, for a draft batch and for a template alike."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ocr.fields import FieldSpec
from templates_app.forms import AddFieldsForm, FieldForm


@dataclass(frozen=True, slots=True)
class Row:
    spec: FieldSpec
    form: FieldForm
    save_url: str
    move_url: str
    remove_url: str
    first: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Editor:
    rows: list[Row]
    add_url: str
    restore_url: str
    add_form: AddFieldsForm = field(default_factory=AddFieldsForm)
    removed: str = ""  # label of the field that was just removed
    problem: str = ""

    @property
    def none_active(self) -> bool:
        return bool(self.rows) and not any(row.spec.active for row in self.rows)


def build(
    specs: list[FieldSpec],
    url: Callable[..., str],
    *,
    bound: FieldForm | None = None,
    add_form: AddFieldsForm | None = None,
    removed: str = "",
    problem: str = "",
) -> Editor:
    """`url(action)` and `url(action, key)` give the addresses; `bound` is a row with errors to be shown as typed."""
    rows = [
        Row(
            spec,
            bound if bound and bound.spec.key == spec.key else FieldForm(spec),
            url("save", spec.key),
            url("move", spec.key),
            url("remove", spec.key),
            first=index == 0,
            last=index == len(specs) - 1,
        )
        for index, spec in enumerate(specs)
    ]
    return Editor(rows, url("add"), url("restore"), add_form or AddFieldsForm(), removed, problem)
