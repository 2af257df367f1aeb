"""Large files in parts, by the tus protocol 1.0 (core, creation, termination): upload.js speaks it, others may."""

import base64
import binascii

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from batches.actions import files
from batches.intake import parts, uploads
from batches.intake.receiving import Refused
from batches.models import Batch, Upload
from batches.queries.asked import whole_number
from batches.views.uploads import CODES, pieces, quiet, row
from cardocr_site.accounts.requests import SignedInRequest

VERSION = "1.0.0"
CONTENT = "application/offset+octet-stream"


@require_http_methods(["POST", "OPTIONS"])
@login_required
def part_create(request: SignedInRequest, pk: int) -> HttpResponse:
    """Begin a file; the same key again finds it as far as it has come."""
    if request.method == "OPTIONS":
        extension = {"Tus-Version": VERSION, "Tus-Extension": "creation,termination"}
        return _answer(204, **extension, **{"Tus-Max-Size": str(settings.MAX_CONTAINER_BYTES)})
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    if refusal := _wrong_version(request):
        return refusal
    length = _number(request, "Upload-Length")
    if length is None:
        return _answer(400)
    about = _metadata(request.headers.get("Upload-Metadata", ""))
    name, key = about.get("filename", ""), about.get("client_key", "")
    try:
        upload = parts.begin(batch, name, length, client_key=key)
    except Refused as refused:
        if refused.code == "FILE_TOO_LARGE":
            uploads.refuse(batch, name, refused, client_key=key, size=length)
        return _refused(refused)
    return _answer(201, Location=reverse("part", args=[batch.pk, upload.pk]))


@require_http_methods(["HEAD", "PATCH", "DELETE", "GET"])
@login_required
def part(request: SignedInRequest, pk: int, upload_pk: int) -> HttpResponse:
    """How far it has come, the next part, or the end of it; GET: what came of it, as a row of the page."""
    batch = get_object_or_404(Batch.objects.editable_by(request.user), pk=pk)
    upload = get_object_or_404(Upload.objects.select_related("batch"), batch=batch, pk=upload_pk)
    if request.method == "GET":
        return row(request, upload)
    if refusal := _wrong_version(request):
        return refusal
    if request.method == "HEAD":
        length = {"Upload-Offset": str(parts.offset(upload)), "Upload-Length": str(upload.size)}
        return _answer(200, **length, **{"Cache-Control": "no-store"})
    if request.method == "DELETE":
        uploads.dismiss([upload])
        return _answer(204)
    return _patch(request, upload)


def _patch(request: SignedInRequest, upload: Upload) -> HttpResponse:
    if request.content_type != CONTENT:
        return _answer(415)
    start = _number(request, "Upload-Offset")
    if start is None:
        return _answer(400)
    try:
        upload = files.append(upload, start, pieces(request), request.user)
    except parts.Elsewhere:
        return _answer(409)
    except Refused as refused:
        return quiet(request, _refused(refused))
    return _answer(204, **{"Upload-Offset": str(parts.offset(upload))})


def _wrong_version(request: HttpRequest) -> HttpResponse | None:
    if request.headers.get("Tus-Resumable") == VERSION:
        return None
    return _answer(412, **{"Tus-Version": VERSION})


def _refused(refused: Refused) -> HttpResponse:
    response = _answer(CODES.get(refused.code, 422), **{"Content-Type": "text/plain; charset=utf-8"})
    response.content = refused.message.encode()
    return response


def _answer(status: int, **headers: str) -> HttpResponse:
    return HttpResponse(status=status, headers={"Tus-Resumable": VERSION, **headers})


def _number(request: HttpRequest, header: str) -> int | None:
    return whole_number(request.headers.get(header), digits=15)


def _metadata(header: str) -> dict[str, str]:
    """`key base64,key base64`; what cannot be read is left out."""
    found = {}
    for pair in header.split(","):
        key, _space, value = pair.strip().partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode(errors="replace")
        except (binascii.Error, ValueError):
            continue
    return found
