"""The image of a scan as an answer: `thumb` and `page` to look at, `full` to download as it was sent."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date

from batches.intake import sniff, store
from batches.streaming import CHUNK, stream_file

TURNS = (0, 90, 180, 270)
DOWNLOAD_TYPES = frozenset(read.media_type for read in sniff.READ)


@dataclass(frozen=True, slots=True)
class _Answer:
    path: Path
    media_type: str
    final: bool = False  # the same for ever under this address
    download_as: str = ""


def show(request: HttpRequest, scan: store.AnyScan, size: str) -> HttpResponseBase:
    """Raises Http404, also while the image is not made yet."""
    match size:
        case "full":
            return _respond(request, _original(scan))
        case "page":
            return _respond(request, _derived(scan, "page", request))
        case "thumb":
            return _respond(request, _derived(scan, "thumb", request))
    raise Http404


def _original(scan: store.AnyScan) -> _Answer:
    try:
        path = store.find(scan)
    except FileNotFoundError as error:
        raise Http404 from error
    media_type = scan.media_type if scan.media_type in DOWNLOAD_TYPES else "application/octet-stream"
    return _Answer(path, media_type, download_as=_download_name(scan))


def _download_name(scan: store.AnyScan) -> str:
    """As it was sent; what came in its place has a name of its own."""
    return scan.source if scan.edition > 1 else scan.original_name.rsplit("/", 1)[-1] or scan.source


def _derived(scan: store.AnyScan, kind: Literal["page", "thumb"], request: HttpRequest) -> _Answer:
    """Turned as the address says, otherwise as the card stands, otherwise as there is one."""
    asked = request.GET.get("r", "")
    wanted = [int(asked)] if asked in {str(turn) for turn in TURNS} else []
    this_picture = request.GET.get("s", "") == scan.tag
    for turn in dict.fromkeys((*wanted, scan.rotation, *TURNS)):
        if path := store.kept().present(store.derived(scan, kind, turn)):
            return _Answer(path, "image/jpeg", final=turn in wanted and this_picture)
    raise Http404


def _respond(request: HttpRequest, answer: _Answer) -> HttpResponseBase:
    try:
        stat = answer.path.stat()
        etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        response = get_conditional_response(request, etag, int(stat.st_mtime)) or _body(request, answer, stat.st_size)
    except FileNotFoundError as error:  # moved or removed this moment
        raise Http404 from error
    response["ETag"] = etag
    response["Last-Modified"] = http_date(stat.st_mtime)
    response["Cache-Control"] = "private, max-age=31536000, immutable" if answer.final else "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"  # should a browser ever open it as a page
    if answer.download_as:
        response["Content-Disposition"] = str(content_disposition_header(True, answer.download_as))
    return response


def _body(request: HttpRequest, answer: _Answer, size: int) -> HttpResponseBase:
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse(content_type=answer.media_type)
    elif size <= CHUNK:  # a thumbnail is one chunk: no need for a thread of its own
        response = HttpResponse(answer.path.read_bytes(), content_type=answer.media_type)
    else:
        response = StreamingHttpResponse(stream_file(answer.path), content_type=answer.media_type)
    response["Content-Length"] = str(size)
    return response
