"""Templates as files, and two versions of one side by side."""

import json

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from cardocr_site.accounts.requests import SignedInRequest, operator_required
from ocr import prompts
from ocr.engines.base import ReadTask
from templates_app import comparing, editing, exchange, versions
from templates_app.models import FieldTemplate, FieldTemplateVersion

LARGEST = 1_000_000  # bytes of a file that is imported


def _visible(request: HttpRequest, pk: int) -> FieldTemplate:
    return get_object_or_404(FieldTemplate.objects.visible_to(request.user), pk=pk)


def _version(template: FieldTemplate, number: str) -> FieldTemplateVersion | None:
    return template.versions.filter(number=_number(number)).first()


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


@require_safe
@login_required
def template_export(request: SignedInRequest, pk: int) -> HttpResponse:
    """A version as a JSON file, the newest where none is named; another installation reads it."""
    template = _visible(request, pk)
    version = _version(template, request.GET.get("version", "")) or template.newest
    response = JsonResponse(exchange.dump(version), json_dumps_params={"ensure_ascii": False, "indent": 2})
    name = f"{template.name}, v{version.number}.json".replace("/", "-")
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


@require_POST
@login_required
@operator_required
def template_import(request: SignedInRequest) -> HttpResponse:
    """A template from such a file, private at first: whoever imports decides who may use it."""
    file = request.FILES.get("file")
    try:
        if file is None:
            raise ValueError(_("Choose a file."))
        if (file.size or 0) > LARGEST:
            raise ValueError(_("The file is too large to be a template."))
        template = _made(request, file.read())
    except ValueError as error:
        messages.error(request, _("The file was not imported. %(reason)s") % {"reason": error})
        return redirect("template_list")
    messages.success(
        request, _("“%(name)s” was imported. Only you can use it until you share it.") % {"name": template.name}
    )
    return redirect("template_detail", pk=template.pk)


def _made(request: SignedInRequest, content: bytes) -> FieldTemplate:
    try:
        data = json.loads(content.decode("utf-8-sig").replace("\\u0000", ""))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError):
        raise ValueError(_("It is no JSON file.")) from None
    return exchange.take(data, request.user)


@require_safe
@login_required
def template_compare(request: SignedInRequest, pk: int) -> HttpResponse:
    """Two versions; without a word the newest and the one before it."""
    template = _visible(request, pk)
    new = _version(template, request.GET.get("with", "")) or template.newest
    before = template.versions.filter(number__lt=new.number).first()
    old = _version(template, request.GET.get("version", "")) or before or new
    editable = FieldTemplate.objects.editable_by(request.user).filter(pk=template.pk).exists()
    context = {
        "template": template,
        "versions": template.versions.all(),
        "comparison": comparing.compare(old, new),
        "back_to": old.number if editable and old.number < template.newest.number else None,
    }
    return render(request, "templates_app/template_compare.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def template_back(request: SignedInRequest, pk: int, number: int) -> HttpResponse:
    """Shows what going back to an older version would change, and does it."""
    template = get_object_or_404(FieldTemplate.objects.editable_by(request.user), pk=pk)
    old = get_object_or_404(template.versions, number=number)
    status = 200
    if request.method == "POST":
        try:
            made = versions.go_back(template, request.user, old, _number(request.POST.get("newest", "")))
        except editing.Refused as refused:
            messages.error(request, str(refused))
            status = refused.status
        else:
            if made is not None:
                said = _("Version %(new)s says what version %(old)s says.")
                messages.success(request, said % {"new": made.number, "old": number})
            return redirect("template_detail", pk=pk)
    context = {"template": template, "comparison": comparing.compare(template.newest, old)}
    return render(request, "templates_app/template_back.html", context, status=status)


@require_safe
@login_required
@vary_on_headers("HX-Request")
def template_prompt(request: SignedInRequest, pk: int) -> HttpResponse:
    """What a model is told with this template."""
    version = _visible(request, pk).newest
    task = ReadTask(tuple(spec for spec in version.specs() if spec.active), version.instruction)
    return prompt_page(request, prompts.build(task), reverse("template_detail", args=[pk]))


def prompt_page(request: SignedInRequest, prompt: str, back: str) -> HttpResponse:
    """The text alone for the page of the fields, otherwise a page of its own."""
    name = "_prompt" if request.htmx.target == "prompt" else "prompt"
    return render(request, f"templates_app/{name}.html", {"prompt": prompt, "back": back})
