"""The list of batches, and a batch's beginning."""

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from batches.actions import continuing, drafts, settings, trying
from batches.forms import BatchForm, SettingsForm
from batches.models import Batch, new_uid
from batches.queries import lists
from batches.views.results import may
from cardocr_site.accounts.requests import SignedInRequest, operator_required
from templates_app.models import FieldTemplate
from templates_app.share_form import ShareForm

PAGE_SIZES = (25, 50, 100)
TAGS_TOLD = 40


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    return redirect("batch_list")


@require_safe
@login_required
@vary_on_headers("HX-Request", "HX-Target")
def batch_list(request: SignedInRequest) -> HttpResponse:
    """All batches that this person may see. When htmx asks for the table (filter, order, page), only that."""
    filters = lists.Filters.from_query(request.GET)
    visible = Batch.objects.visible_to(request.user)
    narrowed = lists.narrowed(visible, filters, request.user)
    per_page = _page_size(request.GET)
    page = Paginator(lists.found(narrowed, filters), per_page).get_page(request.GET.get("page"))
    context = {
        "filters": filters,
        "page": page,
        "rows": lists.rows(page.object_list),
        **lists.allowed(page.object_list, request.user),
        "counts": lists.counts(narrowed, request.user),
        "per_page": per_page,
        "page_sizes": PAGE_SIZES,
        "states": _state_chips(),
        "columns": _columns(request.GET, filters.sort),
        "trash": lists.trash_of(request.user),
    }
    if request.htmx.target == "batches":
        return render(request, "batches/_batch_table.html", context)
    all_counts = lists.counts(visible, request.user)
    context |= {
        "all_counts": all_counts,
        "others": all_counts["all"] - all_counts["mine"],
        "kept": [
            (name, request.GET[name])
            for name in ("state", "sort", "per", "template", "version")
            if request.GET.get(name)
        ],
        "collections": lists.collections(visible),
        "tags": lists.tags(visible),
        "owners": lists.owners(visible),
    }
    if filters.template:
        context["template"] = FieldTemplate.objects.visible_to(request.user).filter(pk=filters.template).first()
    return render(request, "batches/batch_list.html", context)


def _page_size(query: QueryDict) -> int:
    asked = query.get("per", "")
    return int(asked) if asked in {str(size) for size in PAGE_SIZES} else PAGE_SIZES[0]


def _state_chips() -> list[tuple[str, str]]:
    return [
        ("reading", _("Reading")),
        ("someone", _("Needs someone")),
        ("endpoint", _("Held up by the engine")),
        ("check", _("To check")),
        ("queued", _("Waiting")),
        ("draft", _("Draft")),
        ("paused", _("Paused")),
        ("finished", _("Finished")),
        ("problems", _("With problems")),
        ("stopped", _("Stopped or failed")),
    ]


def _columns(query: QueryDict, sort: str) -> list[dict[str, str]]:
    """Heads of the table: a second click turns the order round."""
    heads = (
        ("name", _("Name"), ""),
        ("state", _("State"), "c-state"),
        ("", _("Progress"), "c-prog"),
        ("check", _("To check"), "c-n num"),
        ("problems", _("Problems"), "c-n num"),
        ("owner", _("Owner"), "c-own"),
        ("changed", _("Changed"), "c-when"),
    )
    kept = {
        name: query[name] for name in ("whose", "state", "q", "collection", "tag", "owner", "per") if query.get(name)
    }
    columns = []
    for name, label, css in heads:
        down = name in {"check", "problems", "changed"}
        direction = {name: "ascending", f"-{name}": "descending"}.get(sort, "") if name else ""
        wanted = f"-{name}" if (direction == "ascending" or (not direction and down)) else name
        address = "?" + urlencode({**kept, "sort": wanted}) if name else ""
        columns.append({"label": label, "css": css, "sorted": direction, "address": address})
    return columns


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@operator_required
def batch_new(request: SignedInRequest) -> HttpResponse:
    """Name it, and it is there: a draft that waits for scans."""
    initial = {"uid": new_uid()} | {name: request.GET.get(name, "") for name in ("template", "collection")}
    form = BatchForm(request.user, request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        data = form.cleaned_data
        batch = drafts.create(
            request.user,
            data["name"],
            data["collection"],
            template_version=data["template"].newest if data["template"] else None,
            uid=data["uid"],
        )
        return redirect("batch_upload", pk=batch.pk)
    context = {"form": form, "collections": lists.collections(Batch.objects.visible_to(request.user))}
    return render(request, "batches/batch_new.html", context, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def batch_settings(request: SignedInRequest, pk: int) -> HttpResponse:
    """Name, collection, tags, who sees it: at any time. Of a draft it is the first step."""
    batches = Batch.objects.editable_by(request.user).select_related("owner", "continues")
    batch = get_object_or_404(batches, pk=pk)
    rights = may(request, batch)
    form = SettingsForm(batch, request.POST if request.method == "POST" else None)
    if form.is_valid():
        settings.change(batch, request.user, **form.changed())
        if "next" in request.POST:
            return redirect("batch_upload", pk)
        messages.success(request, _("Saved."))
        return redirect("batch_settings", pk)
    return _settings(request, batch, form, ShareForm(batch) if rights["can_own"] else None)


def _settings(request: SignedInRequest, batch: Batch, form: SettingsForm, share: ShareForm | None) -> HttpResponse:
    visible = Batch.objects.visible_to(request.user)
    bound = form.is_bound or bool(share and share.is_bound)
    context = {
        "form": form,
        "share": share,
        "batch": batch,
        **may(request, batch),
        "collections": lists.collections(visible),
        "tags": lists.tags(visible)[:TAGS_TOLD],
        "is_owner": batch.owner_id == request.user.pk,
    }
    return render(request, "batches/batch_settings.html", context, status=422 if bound else 200)


@require_POST
@login_required
def batch_share(request: SignedInRequest, pk: int) -> HttpResponse:
    """Who sees it and who changes it."""
    batch = get_object_or_404(Batch.objects.owned_by(request.user).select_related("owner", "continues"), pk=pk)
    share = ShareForm(batch, request.POST)
    if not share.is_valid():
        return _settings(request, batch, SettingsForm(batch), share)
    settings.share(batch, request.user, share.cleaned_data["everybody"], share.chosen())
    messages.success(request, _("Saved."))
    return redirect(f"{reverse('batch_settings', args=[pk])}#sharing")


@require_POST
@login_required
def batch_continue(request: SignedInRequest, pk: int) -> HttpResponse:
    """A new batch, read as this one was."""
    batches = Batch.objects.editable_by(request.user).select_related("engine", "template_version__template")
    batch = get_object_or_404(batches, pk=pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    made = continuing.continue_in_new(batch, request.user)
    return redirect("batch_upload", made.pk)


@require_POST
@login_required
@operator_required
def batch_sample(request: SignedInRequest) -> HttpResponse:
    """A draft of the 12 sample cards, of this person's own."""
    return redirect("batch_fields", pk=trying.sample(request.user).pk)
