"""Adding scans to a draft, and taking them out again."""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from batches.actions import drafts
from batches.intake import adding
from batches.models import Batch, Card
from cardocr_site.accounts.requests import SignedInRequest

PER_PAGE = 100
STATUS = {"FILE_TOO_LARGE": 413, "FILE_TYPE_INVALID": 415, "BATCH_LOCKED": 409, "VALIDATION_ERROR": 422}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file that was sent."""

    name: str
    size: int
    cards: list[Card] = field(default_factory=list)
    code: str = ""
    message: str = ""

    @property
    def status(self) -> int:
        return STATUS.get(self.code, 422) if self.code else 200


@require_safe
@login_required
@vary_on_headers("HX-Request", "HX-Target")
def batch_upload(request: SignedInRequest, pk: int) -> HttpResponse:
    """The scans of a draft. When htmx asks for the scans, only those."""
    batch = get_object_or_404(Batch.objects.visible_to(request.user).select_related("owner"), pk=pk)
    if not batch.is_draft:
        return redirect("batch_detail", pk=pk)
    return _page(request, batch)


@require_POST
@login_required
def card_add(request: SignedInRequest, pk: int) -> HttpResponse:
    """One file from upload.js, answered by its row; or many from the plain form, answered by the page."""
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    files = request.FILES.getlist("files")
    alone = len(files) == 1
    path = request.POST.get("path", "") if alone else ""
    key = request.POST.get("client_key", "").replace("\x00", "")[:64] if alone else ""
    outcomes = [_add(batch, file, path or file.name or "", key) for file in files]
    if alone and request.headers.get("X-Requested-With") == "XMLHttpRequest":
        return render(request, "batches/_upload_row.html", {"outcome": outcomes[0]}, status=outcomes[0].status)
    refused = [outcome for outcome in outcomes if outcome.code]
    if refused:
        batch.refresh_from_db()
        return _page(request, batch, outcomes=refused, status=422)
    cards = sum(len(outcome.cards) for outcome in outcomes)
    if cards:
        messages.success(request, ngettext("%(n)s card added.", "%(n)s cards added.", cards) % {"n": cards})
    else:
        messages.warning(request, _("Choose the files first."))
    return redirect("batch_upload", pk=pk)


def _add(batch: Batch, file: "UploadedFile[Any]", name: str, client_key: str) -> Outcome:
    size = file.size or 0
    try:
        came = drafts.add_file(batch, name, file.chunks(), client_key=client_key)
    except adding.Refused as refusal:
        return Outcome(name, size, code=refusal.code, message=refusal.message)
    code = came.refusals[0].code if came.refusals and not came.cards else ""
    return Outcome(name, size, came.cards, code, " ".join(f"{one.name}: {one.message}" for one in came.refusals))


@require_POST
@login_required
def card_remove(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """Take one scan out. Gone already is as good as removed."""
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    return _remove(request, batch, list(batch.cards.filter(pk=card_pk)))


@require_POST
@login_required
def cards_remove(request: SignedInRequest, pk: int) -> HttpResponse:
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    return _remove(request, batch, list(batch.cards.all()))


def _remove(request: SignedInRequest, batch: Batch, cards: list[Card]) -> HttpResponse:
    problem = ""
    try:
        drafts.remove_cards(batch, cards)
    except drafts.BatchLocked as locked:
        problem = str(locked)
    batch.refresh_from_db()
    if request.htmx.target == "scans":
        return _page(request, batch, problem=problem, status=409 if problem else 200)
    if problem:
        messages.error(request, problem)
    return redirect("batch_upload", pk=batch.pk)


def _page(
    request: SignedInRequest,
    batch: Batch,
    *,
    outcomes: list[Outcome] | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    paginator = Paginator(batch.cards.order_by("position", "pk"), PER_PAGE)
    paginator.count = batch.total  # kept with every change, so nothing is counted
    page = paginator.get_page(request.GET.get("page"))
    cards = list(page.object_list)
    context = {
        "batch": batch,
        "can_edit": batch.is_draft and Batch.objects.editable_by(request.user).filter(pk=batch.pk).exists(),
        "page": page,
        "cards": cards,
        "waiting": any(card.prepared_at is None for card in cards),
        "unreadable": batch.cards.exclude(error="").count(),
        "outcomes": outcomes or [],
        "problem": problem,
        "max_bytes": settings.MAX_IMAGE_BYTES,
        "max_pixels": settings.MAX_IMAGE_PIXELS // 1_000_000,
        "max_cards": settings.MAX_BATCH_CARDS,
    }
    name = "_scans" if request.htmx.target == "scans" else "batch_upload"
    return render(request, f"batches/{name}.html", context, status=status)
