"""Pages of the templates. Editing one makes a new version where batches use the newest."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from cardocr_site.accounts import audit
from cardocr_site.accounts.requests import SignedInRequest, operator_required
from ocr.fields import FieldSpec
from templates_app import editing, field_views, scans, versions
from templates_app.forms import InstructionForm, TemplateForm
from templates_app.models import FieldTemplate, FieldTemplateQuerySet, FieldTemplateVersion, TemplateShare
from templates_app.share_form import ShareForm, set_groups

PER_PAGE = 50
BESIDE = ("sample", "instructions", "export")  # what is shown beside the fields


def _listed(templates: FieldTemplateQuerySet) -> FieldTemplateQuerySet:
    """With what a row of the list shows, in one question however many there are."""
    newest = FieldTemplateVersion.objects.filter(template=OuterRef("pk")).order_by("-number")
    return (
        templates.select_related("owner")
        .annotate(
            for_groups=Exists(TemplateShare.objects.filter(template=OuterRef("pk"))),
            number=Subquery(newest.values("number")[:1]),
            field_count=Subquery(newest.annotate(n=Count("fields")).values("n")[:1]),
        )
        .order_by("name")
    )


@require_safe
@login_required
def template_list(request: SignedInRequest) -> HttpResponse:
    text = request.GET.get("q", "").replace("\x00", "").strip()[:120]
    visible = FieldTemplate.objects.visible_to(request.user)
    page = Paginator(_listed(visible.filter(name__icontains=text)), PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "text": text, "any": bool(page.paginator.count or text)}
    return render(request, "templates_app/template_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@operator_required
def template_new(request: SignedInRequest) -> HttpResponse:
    """Empty, or with the fields of another template."""
    source = None
    if chosen := request.GET.get("from", ""):
        source = get_object_or_404(
            FieldTemplate.objects.visible_to(request.user), pk=chosen if chosen.isdecimal() else 0
        )
    initial = {"stay_inside": source.stay_inside} if source else None
    form = TemplateForm(request.POST if request.method == "POST" else None, initial=initial, source=source)
    if form.is_valid():
        newest = source.newest if source else None
        template = versions.create(
            request.user,
            form.cleaned_data["name"],
            newest.specs() if newest else (),
            instruction=newest.instruction if newest else "",
            description=form.cleaned_data["description"],
            everybody=form.cleaned_data["everybody"],
            stay_inside=form.cleaned_data["stay_inside"],
            scans=form.instance.scans,
        )
        return redirect("template_detail", pk=template.pk)
    context = {"form": form, "source": source}
    return render(request, "templates_app/template_form.html", context, status=422 if form.is_bound else 200)


@require_safe
@login_required
@vary_on_headers("HX-Request", "HX-Target")
def template_detail(request: SignedInRequest, pk: int) -> HttpResponse:
    return _page(request, get_object_or_404(FieldTemplate.objects.visible_to(request.user), pk=pk))


def _page(request: SignedInRequest, template: FieldTemplate, *, status: int = 200, **shown: Any) -> HttpResponse:
    newest = template.newest
    context = {
        "template": template,
        "version": newest,
        "specs": newest.specs(),
        "scans": scans.told(template.scans),
        "open": FieldTemplate.objects.editable_by(request.user).filter(pk=template.pk).exists(),
        "can_own": FieldTemplate.objects.owned_by(request.user).filter(pk=template.pk).exists(),
        "editor": field_views.editor_of(request, _TemplateFields(request, template), **shown),
    }
    if request.htmx.target == "fields":
        return render(request, "templates_app/_fields.html", context, status=status)
    asked = request.GET.get("beside", "")
    context["beside"] = asked if asked in BESIDE else BESIDE[0]
    context["instruction_form"] = InstructionForm(initial={"instruction": newest.instruction})
    if request.htmx.target == "beside":
        return render(request, "templates_app/_beside.html", context, status=status)
    context["versions"] = template.versions.select_related("created_by")
    context["used"] = newest.batches.exists()
    return render(request, "templates_app/template_detail.html", context, status=status)


def _editable(request: SignedInRequest, pk: int) -> FieldTemplate:
    return get_object_or_404(FieldTemplate.objects.editable_by(request.user), pk=pk)


def _owned(request: SignedInRequest, pk: int) -> FieldTemplate:
    return get_object_or_404(FieldTemplate.objects.owned_by(request.user), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def template_edit(request: SignedInRequest, pk: int) -> HttpResponse:
    """Name, description, and who may use it."""
    template = _editable(request, pk)
    form = TemplateForm(request.POST if request.method == "POST" else None, instance=template)
    if form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("template_detail", pk=pk)
    owns = FieldTemplate.objects.owned_by(request.user).filter(pk=pk).exists()
    context = {"form": form, "template": template, "share": ShareForm(template) if owns else None}
    return render(request, "templates_app/template_form.html", context, status=422 if form.is_bound else 200)


@require_POST
@login_required
def template_share(request: SignedInRequest, pk: int) -> HttpResponse:
    """Who sees it and who changes it."""
    template = _owned(request, pk)
    share = ShareForm(template, request.POST)
    if not share.is_valid():
        context = {"form": TemplateForm(instance=template), "template": template, "share": share}
        return render(request, "templates_app/template_form.html", context, status=422)
    FieldTemplate.objects.filter(pk=pk).update(everybody=share.cleaned_data["everybody"])
    set_groups(template, share.chosen())
    groups = {group.name: str(way) for group, way in share.chosen().items()}
    told = {"everybody": share.cleaned_data["everybody"], "groups": groups}
    audit.record("sharing", by=request.user, of=template, details=told)
    messages.success(request, _("Saved."))
    return redirect("template_detail", pk=pk)


@require_POST
@login_required
def template_instruction(request: SignedInRequest, pk: int) -> HttpResponse:
    template = _editable(request, pk)
    form = InstructionForm(request.POST)
    if form.is_valid():
        versions.edit(template, request.user, lambda specs: specs, instruction=form.cleaned_data["instruction"])
    if request.htmx:
        context = {"form": form, "target": request.htmx.target}
        return render(request, "_said.html", context, status=200 if form.is_valid() else 422)
    if form.is_valid():
        messages.success(request, _("Saved."))
    else:
        messages.error(request, str(form.errors["instruction"][0]))
    return redirect(reverse("template_detail", args=[pk]) + "?beside=instructions")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def template_delete(request: SignedInRequest, pk: int) -> HttpResponse:
    """Asks first. Batches keep the fields they have."""
    template = _owned(request, pk)
    if request.method == "POST":
        template.delete()
        messages.success(request, _("The template “%(name)s” is deleted.") % {"name": template.name})
        return redirect("template_list")
    return render(request, "templates_app/template_delete.html", {"template": template})


@dataclass
class _TemplateFields:
    """A template's fields, for the editor's views."""

    request: SignedInRequest
    template: FieldTemplate

    @property
    def name(self) -> str:
        return f"template-{self.template.pk}"

    def specs(self) -> list[FieldSpec]:
        return self.template.newest.specs()

    def edit(self, change: editing.Edit) -> None:
        versions.edit(self.template, self.request.user, change)

    def url(self, action: str, *key: str) -> str:
        return reverse(f"template_field_{action}", args=[self.template.pk, *key])

    def page(self, status: int, **shown: Any) -> HttpResponse:
        return _page(self.request, self.template, status=status, **shown)

    def back(self) -> HttpResponse:
        return redirect("template_detail", pk=self.template.pk)


@require_POST
@login_required
def template_field_add(request: SignedInRequest, pk: int) -> HttpResponse:
    return field_views.add(request, _TemplateFields(request, _editable(request, pk)))


@require_POST
@login_required
def template_field_save(request: SignedInRequest, pk: int, key: str) -> HttpResponse:
    return field_views.save(request, _TemplateFields(request, _editable(request, pk)), key)


@require_POST
@login_required
def template_field_move(request: SignedInRequest, pk: int, key: str) -> HttpResponse:
    return field_views.move(request, _TemplateFields(request, _editable(request, pk)), key)


@require_POST
@login_required
def template_field_remove(request: SignedInRequest, pk: int, key: str) -> HttpResponse:
    return field_views.remove(request, _TemplateFields(request, _editable(request, pk)), key)


@require_POST
@login_required
def template_field_restore(request: SignedInRequest, pk: int) -> HttpResponse:
    return field_views.restore(request, _TemplateFields(request, _editable(request, pk)))
