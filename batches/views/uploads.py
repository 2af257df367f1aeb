"""Adding scans to a draft, what came of each file, and taking scans out again."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from batches.actions import drafts, files
from batches.exports.csv import BOM
from batches.exports.table import safe
from batches.forms import ScansForm
from batches.intake import room, sniff
from batches.intake.receiving import Refused
from batches.models import Batch, Card, Upload
from batches.queries import choosing, uploads
from batches.states import CardStatus, UploadStatus
from batches.streaming import stream
from batches.views.results import may
from cardocr_site.accounts.requests import SignedInRequest
from cardocr_site.handler import BODY

PER_PAGE = 100
RAW = "application/octet-stream"  # a body that is the file
PIECE = 1_000_000
CODES = {
    "FILE_TOO_LARGE": 413,
    "FILE_TYPE_INVALID": 415,
    "BATCH_LOCKED": 409,
    "VALIDATION_ERROR": 422,
    "STORAGE_FULL": 507,
}
QUIET, STATUS = "X-Quiet", "X-Upload-Status"
HEAD = ("file", "size", "sha256", "outcome", "cards", "code", "reason", "sent_at")


@require_safe
@login_required
@vary_on_headers("HX-Request", "HX-Target")
def batch_upload(request: SignedInRequest, pk: int) -> HttpResponse:
    """The scans of a draft. When htmx asks for the scans or the files, only those."""
    batch = get_object_or_404(Batch.objects.visible_to(request.user).select_related("owner"), pk=pk)
    if not batch.is_draft:
        return redirect("batch_detail", pk=pk)
    return _page(request, batch)


@require_POST
@login_required
def card_add(request: SignedInRequest, pk: int) -> HttpResponse:
    """One file from upload.js, as it is; or many from the plain form, answered by the page."""
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    if request.content_type == RAW:
        name, key = (unquote(request.headers.get(header, "")) for header in ("X-File-Path", "X-Client-Key"))
        upload = _add(request, batch, _body(request), name, key, int(request.headers.get("Content-Length") or 0))
        # Nothing is drawn for a file that is simply there: a thousand of them come one after the other.
        return HttpResponse(status=204) if upload.status == UploadStatus.DONE else row(request, upload)
    outcomes = [
        _add(request, batch, file.chunks(), file.name or "", size=file.size or 0)
        for file in request.FILES.getlist("files")
    ]
    if outcomes:
        files.settle(batch)
    if any(upload.status == UploadStatus.REFUSED for upload in outcomes):
        batch.refresh_from_db()
        unsaved = [upload for upload in outcomes if upload.pk is None]
        return _page(request, batch, problem=unsaved[0].message if unsaved else "", status=422)
    cards = sum(upload.cards_made for upload in outcomes)
    if cards:
        messages.success(request, ngettext("%(n)s card added.", "%(n)s cards added.", cards) % {"n": cards})
    elif not outcomes:
        messages.warning(request, _("Choose the files first."))
    return redirect("batch_upload", pk=pk)


def _body(request: SignedInRequest) -> Path | Iterator[bytes]:
    """Where the server has put it, or what it is."""
    body = getattr(request, "scope", {}).get(BODY)
    return getattr(body, "path", None) or pieces(request)


def pieces(request: HttpRequest) -> Iterator[bytes]:
    while piece := request.read(PIECE):
        yield piece


def row(request: SignedInRequest, upload: Upload) -> HttpResponse:
    """What came of one file; the code is for programs, the row for people."""
    status = CODES.get(upload.code, 422) if upload.status == UploadStatus.REFUSED else 200
    response = render(request, "batches/_upload_row.html", {"upload": upload, "can_edit": True}, status=status)
    return quiet(request, response)


def quiet(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """A refused file is no fault of the page: upload.js asks for its code beside a 200, which no browser notes."""
    if QUIET in request.headers and response.status_code in CODES.values():
        response[STATUS] = str(response.status_code)
        response.status_code = 200
    return response


def _add(
    request: SignedInRequest,
    batch: Batch,
    sent: Iterable[bytes] | Path,
    name: str,
    client_key: str = "",
    size: int = 0,
) -> Upload:
    try:
        return files.receive(batch, name, sent, client_key=client_key, size=size, by=request.user)
    except Refused as refusal:  # of any file: the batch was started meanwhile, perhaps
        return Upload(
            batch=batch,
            name=name,
            size=size,
            status=UploadStatus.REFUSED,
            code=refusal.code,
            message=refusal.message,
        )


@require_POST
@login_required
def upload_decide(request: SignedInRequest, pk: int, upload_pk: int) -> HttpResponse:
    """Add a duplicate all the same, or take a file that was not added off the list."""
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    found = list(batch.uploads.filter(pk=upload_pk))  # gone already is as good as decided
    problem = ""
    try:
        if request.POST.get("do") == "add":
            for upload in found:
                files.add_anyway(upload, request.user)
        else:
            files.dismiss(found)
    except Refused as refusal:
        problem = refusal.message
    return _decided(request, batch, problem)


@require_POST
@login_required
def uploads_dismiss(request: SignedInRequest, pk: int) -> HttpResponse:
    """Take everything that was not added off the list."""
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    files.dismiss(batch.uploads.filter(status=UploadStatus.REFUSED, dismissed=False))
    return _decided(request, batch)


def _decided(request: SignedInRequest, batch: Batch, problem: str = "") -> HttpResponse:
    batch.refresh_from_db()
    if request.htmx.target == "files":
        response = _page(request, batch, problem=problem, status=409 if problem else 200)
        response["HX-Trigger"] = "scans-changed"
        return response
    if problem:
        messages.error(request, problem)
    return redirect("batch_upload", pk=batch.pk)


@require_safe
@login_required
def uploads_table(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """What came of each file, dismissed ones too, as a table for spreadsheets."""
    batch = get_object_or_404(Batch.objects.visible_to(request.user), pk=pk)
    name = f"{batch.label or batch.uid}-files.csv"
    headers = {"Content-Disposition": str(content_disposition_header(True, name)), "Cache-Control": "private, no-store"}
    return StreamingHttpResponse(stream(_lines(batch)), content_type="text/csv; charset=utf-8", headers=headers)


def _lines(batch: Batch) -> Iterator[bytes]:
    yield _line(HEAD, BOM)
    for upload in batch.uploads.order_by("pk").iterator(chunk_size=500):
        reason = _("Same content as %(name)s") % {"name": upload.message} if _is_twin(upload) else upload.message
        cells = (upload.name, str(upload.size), upload.sha256, upload.status, str(upload.cards_made), upload.code)
        yield _line([safe(cell) for cell in (*cells, reason, upload.created_at.isoformat(timespec="seconds"))])


def _is_twin(upload: Upload) -> bool:
    return upload.status == UploadStatus.DUPLICATE


def _line(cells: "tuple[str, ...] | list[str]", start: str = "") -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return (start + buffer.getvalue()).encode()


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
        drafts.remove_cards(batch, cards, request.user)
    except drafts.BatchLocked as locked:
        problem = str(locked)
    return scans_changed(request, batch, problem)


def scans_changed(request: SignedInRequest, batch: Batch, problem: str = "") -> HttpResponse:
    """The scans anew, for htmx or for a plain form."""
    batch.refresh_from_db()
    if request.htmx.target == "scans":
        return _page(request, batch, problem=problem, status=409 if problem else 200)
    if problem:
        messages.error(request, problem)
    query = request.GET.urlencode()
    return redirect(f"{reverse('batch_upload', args=[batch.pk])}{'?' * bool(query)}{query}")


def again(request: SignedInRequest, batch: Batch) -> HttpResponse:
    """The scans as they stand after a change that another view has made."""
    return _page(request, batch)


def _page(request: SignedInRequest, batch: Batch, *, problem: str = "", status: int = 200) -> HttpResponse:
    allowed = may(request, batch)
    can_edit = batch.is_draft and allowed["can_edit"]
    context = {"batch": batch, **allowed, "can_edit": can_edit, "problem": problem}
    target = request.htmx.target
    if target not in {"files", "scans"} and can_edit:
        context["scans_form"] = ScansForm(batch)
    if target != "files":
        context |= _scans(request, batch)
    if target != "scans":
        context |= _files(request, batch)
    name = {"scans": "_scans", "files": "_uploads"}.get(target or "", "batch_upload")
    return render(request, f"batches/{name}.html", context, status=status)


def _scans(request: SignedInRequest, batch: Batch) -> dict[str, Any]:
    filters = choosing.Filters.from_query(request.GET)
    paginator = Paginator(choosing.found(batch, filters).order_by("position", "pk"), PER_PAGE)
    if not filters.any:
        paginator.count = batch.total  # kept with every change, so nothing is counted
    page = paginator.get_page(request.GET.get("page"))
    cards = list(page.object_list)
    return {
        "page": page,
        "query": request.GET.urlencode(),  # where one is on the page holds after a change
        "ordering": "order" in request.GET and not filters.any,
        "filters": filters,
        "cards": cards,
        "shown": ",".join(str(card.pk) for card in cards),
        "ticked": ",".join(str(card.pk) for card in cards if card.status != CardStatus.SKIPPED),
        "waiting": any(card.prepared_at is None for card in cards),
        **choosing.told(batch, filters),
    }


def _files(request: SignedInRequest, batch: Batch) -> dict[str, Any]:
    filed = uploads.filed(batch)
    shown = None
    if "files" in request.GET:
        paginator = Paginator(batch.uploads.filter(dismissed=False).order_by("-pk"), uploads.PER_PAGE)
        paginator.count = filed.total
        shown = paginator.get_page(request.GET["files"])
    return {
        "filed": filed,
        "files_page": shown,
        "uploads": list(shown.object_list) if shown else uploads.first(batch),
        "room": room.free(),
        "max_bytes": settings.MAX_IMAGE_BYTES,
        "max_container": settings.MAX_CONTAINER_BYTES,
        "max_pixels": settings.MAX_IMAGE_PIXELS // 1_000_000,
        "max_webp_pixels": settings.MAX_WEBP_PIXELS // 1_000_000,
        "max_unpacked": settings.MAX_UNPACKED_BYTES,
        "max_ratio": settings.MAX_ZIP_RATIO,
        "max_cards": settings.MAX_BATCH_CARDS,
        "formats": sniff.NAMES,
        "max_pages": settings.MAX_FILE_PAGES,
    }
