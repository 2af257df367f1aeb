"""Which fields a card has, and who reads it."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from batches.actions import drafts, scans
from batches.forms import EngineForm
from batches.live import feed, fragments
from batches.live.fragments import Viewer
from batches.models import Batch
from batches.queries import besides, rereading, rights
from batches.queries.means import read_task
from batches.views.results import may
from cardocr_site.accounts.requests import SignedInRequest, operator_required
from ocr import prompts
from ocr.fields import FieldSpec
from ocr.models import Engine
from templates_app import editing, field_views, version_views, versions
from templates_app.forms import InstructionForm
from templates_app.models import FieldTemplate


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@vary_on_headers("HX-Request", "HX-Target")
def batch_fields(request: SignedInRequest, pk: int) -> HttpResponse:
    """The fields of a draft, to be edited; of a started batch, to be read. A POST saves what is true of all cards."""
    batch = _visible(request, pk)
    if request.method == "POST":
        _editable(request, pk)
        form = InstructionForm(request.POST)
        if not form.is_valid():
            return _page(request, batch, {"instruction_form": form}, status=422)
        try:
            drafts.set_instruction(batch, form.cleaned_data["instruction"], request.user)
        except drafts.BatchLocked as locked:
            return _said(request, batch, problem=str(locked), status=409)
        return _said(request, batch)
    return _page(request, batch)


def _visible(request: SignedInRequest, pk: int) -> Batch:
    batches = Batch.objects.visible_to(request.user)
    return get_object_or_404(batches.select_related("owner", "engine", "template_version__template"), pk=pk)


def _editable(request: SignedInRequest, pk: int) -> Batch:
    batches = Batch.objects.editable_by(request.user)
    return get_object_or_404(batches.select_related("owner", "engine", "template_version__template"), pk=pk)


def _said(request: SignedInRequest, batch: Batch, *, problem: str = "", status: int = 200) -> HttpResponse:
    """The word beside a form that was sent by htmx; a message on the page otherwise."""
    if request.htmx:
        context = {"problem": problem, "target": request.htmx.target}
        return render(request, "_said.html", context, status=status)
    if problem:
        messages.error(request, problem)
    else:
        messages.success(request, _("Saved."))
    return redirect("batch_fields", pk=batch.pk)


def _page(
    request: SignedInRequest, batch: Batch, extra: dict[str, Any] | None = None, *, status: int = 200, **shown: Any
) -> HttpResponse:
    allowed = may(request, batch)
    context = {
        "batch": batch,
        **allowed,
        "open": allowed["can_edit"] and batch.is_draft,
        "specs": batch.specs(active_only=False),
        "besides": besides.told(batch),
        "editor": field_views.editor_of(request, _BatchFields(request, batch), **shown),
        **(extra or {}),
    }
    if request.htmx.target == "fields":
        return render(request, "templates_app/_fields.html", context, status=status)
    if context["open"]:
        context.setdefault("engine_form", EngineForm(batch))
        context.setdefault("instruction_form", InstructionForm(initial={"instruction": batch.instruction}))
        context["templates"] = FieldTemplate.objects.visible_to(request.user)
    context |= _newer(request, batch)
    if batch.is_draft:
        viewer = Viewer("fields", get_language() or "", rights.of(request.user, batch))
        context |= fragments.try_context(batch, viewer) | {"cursor": feed.cursor_at(batch)}
    return render(request, "batches/batch_fields.html", context, status=status)


def _newer(request: SignedInRequest, batch: Batch) -> dict[str, Any]:
    """What a newer version of its template changes, and what stands in the way of having it."""
    newer = rereading.newer(batch, request.user)
    if newer is None:
        return {}
    said = (batch.specs(active_only=False), batch.instruction)
    return {
        "newer": newer,
        "own_changes": said != (newer.old.specs(), newer.old.instruction),
        "cannot_read_again": "" if batch.is_draft else rereading.refusal(batch),
    }


@dataclass
class _BatchFields:
    """A draft's fields, for the editor's views."""

    request: SignedInRequest
    batch: Batch

    @property
    def name(self) -> str:
        return f"batch-{self.batch.pk}"

    def specs(self) -> list[FieldSpec]:
        return self.batch.specs(active_only=False)

    def edit(self, change: editing.Edit) -> None:
        drafts.edit_fields(self.batch, change, self.request.user)
        self.batch.refresh_from_db()

    def url(self, action: str, *key: str) -> str:
        return reverse(f"field_{action}", args=[self.batch.pk, *key])

    def page(self, status: int, **shown: Any) -> HttpResponse:
        return _page(self.request, self.batch, status=status, **shown)

    def back(self) -> HttpResponse:
        return redirect("batch_fields", pk=self.batch.pk)


@require_POST
@login_required
def field_add(request: SignedInRequest, pk: int) -> HttpResponse:
    return field_views.add(request, _BatchFields(request, _editable(request, pk)))


@require_POST
@login_required
def field_save(request: SignedInRequest, pk: int, key: str) -> HttpResponse:
    return field_views.save(request, _BatchFields(request, _editable(request, pk)), key)


@require_POST
@login_required
def field_move(request: SignedInRequest, pk: int, key: str) -> HttpResponse:
    return field_views.move(request, _BatchFields(request, _editable(request, pk)), key)


@require_POST
@login_required
def field_remove(request: SignedInRequest, pk: int, key: str) -> HttpResponse:
    return field_views.remove(request, _BatchFields(request, _editable(request, pk)), key)


@require_POST
@login_required
def field_restore(request: SignedInRequest, pk: int) -> HttpResponse:
    return field_views.restore(request, _BatchFields(request, _editable(request, pk)))


@require_POST
@login_required
def fields_from_template(request: SignedInRequest, pk: int) -> HttpResponse:
    """Take a template's fields in place of those there are; without a template, none."""
    batch = _editable(request, pk)
    chosen = request.POST.get("template", "")
    try:
        if chosen.isdecimal():
            template = get_object_or_404(FieldTemplate.objects.visible_to(request.user), pk=chosen)
            drafts.use_template(batch, template.newest, request.user)
            messages.success(request, _("The fields of “%(name)s” are in place.") % {"name": template.name})
        else:
            drafts.set_fields(batch, [], by=request.user)
    except drafts.BatchLocked as locked:
        messages.error(request, str(locked))
    return redirect("batch_fields", pk=pk)


@require_POST
@login_required
@operator_required
def fields_save_template(request: SignedInRequest, pk: int) -> HttpResponse:
    """Keep this batch's fields as a template of one's own."""
    batch = _visible(request, pk)
    name = request.POST.get("name", "").replace("\x00", "").strip()[:120]
    if not name:
        messages.error(request, _("Give the template a name."))
        return redirect("batch_fields", pk=pk)
    try:
        template = versions.create(
            request.user,
            name,
            batch.specs(active_only=False),
            instruction=batch.instruction,
            stay_inside=batch.option("stay_inside"),
            scans=scans.kept(batch),
        )
    except IntegrityError:
        messages.error(request, _("There is a template called “%(name)s” already.") % {"name": name})
        return redirect("batch_fields", pk=pk)
    messages.success(request, _("Saved as the template “%(name)s”.") % {"name": template.name})
    return redirect("batch_fields", pk=pk)


@require_POST
@login_required
def batch_engine(request: SignedInRequest, pk: int) -> HttpResponse:
    """Who reads the cards, and how."""
    batch = _editable(request, pk)
    form = EngineForm(batch, request.POST)
    if not form.is_valid():
        if request.htmx:
            return render(request, "_said.html", {"form": form, "target": "said-engine"}, status=422)
        return _page(request, batch, {"engine_form": form}, status=422)
    try:
        drafts.set_engine(batch, form.cleaned_data["engine"], form.model(), form.options(), request.user)
    except drafts.BatchLocked as locked:
        return _said(request, batch, problem=str(locked), status=409)
    return _said(request, batch)


@require_safe
@login_required
@vary_on_headers("HX-Request")
def batch_prompt(request: SignedInRequest, pk: int) -> HttpResponse:
    """What the model is told with each scan: as it stands now, or as the start froze it."""
    batch = _visible(request, pk)
    prompted = batch.engine is not None and batch.engine.kind != Engine.Kind.LOCAL
    told = batch.prompt or prompts.build(read_task(batch)) if prompted else ""
    return version_views.prompt_page(request, told, reverse("batch_fields", args=[pk]))
