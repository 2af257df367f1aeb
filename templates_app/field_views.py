"""Answers of the field editor: the same for the fields of a draft and for those of a template."""

import json
from typing import Any, Protocol

from django.http import HttpResponse
from django.shortcuts import render

from cardocr_site.accounts.requests import SignedInRequest
from ocr.fields import FieldSpec
from templates_app import editing, editor
from templates_app.forms import AddFieldsForm, FieldForm

REMOVED = "removed_field"  # in the session: what Undo brings back


class FieldList(Protocol):
    """Whose fields are edited. `edit` raises editing.Refused."""

    @property
    def name(self) -> str: ...
    def specs(self) -> list[FieldSpec]: ...
    def edit(self, change: editing.Edit) -> None: ...
    def url(self, action: str, *key: str) -> str: ...
    def page(self, status: int, **shown: Any) -> HttpResponse: ...
    def back(self) -> HttpResponse: ...


def editor_of(request: SignedInRequest, fields: FieldList, **shown: Any) -> editor.Editor:
    kept = request.session.get(REMOVED, {})
    removed = kept["label"] if kept.get("of") == fields.name else ""
    return editor.build(fields.specs(), fields.url, removed=removed, **shown)


def add(request: SignedInRequest, fields: FieldList) -> HttpResponse:
    form = AddFieldsForm(request.POST)
    if not form.is_valid():
        return fields.page(422, add_form=form)

    def change(specs: list[FieldSpec]) -> list[FieldSpec]:
        for name in form.names():
            specs = editing.added(specs, name, form.kind())
        return specs

    return _changed(request, fields, change)


def save(request: SignedInRequest, fields: FieldList, key: str) -> HttpResponse:
    """Save one row. htmx gets the word beside it alone: the row stays as it is being typed."""
    form = _sent(request, fields, key)
    problem, status = "", 200
    if form is None:
        problem, status = str(editing.NoSuchField()), 409
    elif not form.is_valid():
        status = 422
    else:
        spec = form.changed_spec()
        try:
            fields.edit(lambda specs: editing.replaced(specs, spec))
            form = FieldForm(spec)
        except editing.Refused as refused:
            problem, status = str(refused), refused.status
    if request.htmx:
        context = {"form": form, "key": key, "problem": problem, "saved": status == 200}
        return render(request, "templates_app/_field_said.html", context, status=status)
    if status != 200:
        return fields.page(status, bound=form, problem=problem)
    return fields.back()


def move(request: SignedInRequest, fields: FieldList, key: str) -> HttpResponse:
    """Move a field; what was typed in its row is saved with it."""
    form = _sent(request, fields, key)
    step = -1 if request.POST.get("direction") == "up" else 1

    def change(specs: list[FieldSpec]) -> list[FieldSpec]:
        if form is not None and form.is_valid():
            specs = editing.replaced(specs, form.changed_spec())
        return editing.moved(specs, key, step)

    typed = form if form is not None and form.data.get("label") and not form.is_valid() else None
    return _changed(request, fields, change, bound=typed)


def remove(request: SignedInRequest, fields: FieldList, key: str) -> HttpResponse:
    """Remove a field. The session keeps it, so that it can be brought back."""
    kept: dict[str, Any] = {}

    def change(specs: list[FieldSpec]) -> list[FieldSpec]:
        index = editing.index_of(specs, key)
        spec = specs[index]
        kept.update(of=fields.name, index=index, label=spec.label, spec=json.dumps(spec.to_dict()))
        return editing.removed(specs, key)

    return _changed(request, fields, change, removed=kept)


def restore(request: SignedInRequest, fields: FieldList) -> HttpResponse:
    """Bring back the field that was removed last. Twice is once."""
    kept = request.session.get(REMOVED, {})
    if kept.get("of") != fields.name:
        return _changed(request, fields, lambda specs: specs)
    spec = FieldSpec.from_dict(json.loads(kept["spec"]))
    return _changed(request, fields, lambda specs: editing.restored(specs, spec, kept["index"]))


def _sent(request: SignedInRequest, fields: FieldList, key: str) -> FieldForm | None:
    """The row as it was sent; none where somebody removed the field meanwhile."""
    spec = next((spec for spec in fields.specs() if spec.key == key), None)
    return FieldForm(spec, request.POST) if spec else None


def _changed(
    request: SignedInRequest,
    fields: FieldList,
    change: editing.Edit,
    *,
    bound: FieldForm | None = None,
    removed: dict[str, Any] | None = None,
) -> HttpResponse:
    """Change the list and answer with it as it is now."""
    try:
        fields.edit(change)
    except editing.Refused as refused:
        return fields.page(refused.status, problem=str(refused))
    request.session.pop(REMOVED, None)
    if removed:
        request.session[REMOVED] = removed
    if bound is not None:
        return fields.page(422, bound=bound)
    return fields.page(200) if request.htmx.target == "fields" else fields.back()
