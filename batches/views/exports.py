"""Taking the results along, also while a batch is read."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from batches import exports
from batches.actions import activity
from batches.exports.rows import Form
from batches.streaming import stream
from batches.views.results import can_edit, visible
from cardocr_site.accounts.requests import SignedInRequest

SEPARATORS = {"semicolon": ";", "comma": ",", "tab": "\t"}
FORMS = ("value", "verbatim", "both")


@require_safe
@login_required
@never_cache
def batch_export(request: SignedInRequest, pk: int) -> HttpResponse:
    """Which format, which values."""
    batch = visible(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    context = {
        "batch": batch,
        "can_edit": can_edit(request, batch),
        "formats": [(key, *_words(key)) for key in exports.FORMATS],
        "unread": batch.total - batch.completed,
        "unseen": max(0, batch.completed - batch.reviewed),
        "values": [
            ("value", _("As recorded"), _("Dates as 1981-03-06, numbers with a point")),
            ("verbatim", _("As on the card"), _("Letter by letter as it stands there")),
            ("both", _("Both"), _("Two columns for each field")),
        ],
        "separators": [("semicolon", _("Semicolon ;")), ("comma", _("Comma ,")), ("tab", _("Tab"))],
    }
    return render(request, "batches/batch_export.html", context)


@require_safe
@login_required
def batch_download(request: SignedInRequest, pk: int) -> HttpResponseBase:
    """Streamed: the first cards are on their way before the last ones are read from the database."""
    batch = visible(request, pk)
    key = request.GET.get("format", "csv")
    form = exports.FORMATS.get(key)
    if form is None or batch.is_draft:
        raise Http404
    headers = {
        "Content-Disposition": str(content_disposition_header(True, exports.filename(batch, key))),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    if request.method == "HEAD":
        return HttpResponse(content_type=form.content_type, headers=headers)
    activity.record(batch, request.user, "export", group=True, format=key)
    body = stream(form.write(batch, _options(request.GET)))
    return StreamingHttpResponse(body, content_type=form.content_type, headers=headers)


def _words(key: str) -> tuple[str, str]:
    words = {"csv": ("CSV", _("A table for Excel, OpenRefine, R")), "json": ("JSON", _("Everything, one file"))}
    return words.get(key, (key.upper(), ""))


def _options(query: QueryDict) -> exports.Options:
    """Unknown values are taken for the usual ones."""
    form = query.get("values", "")
    return exports.Options(
        form=cast(Form, form) if form in FORMS else "value",
        delimiter=SEPARATORS.get(query.get("separator", ""), ","),
        bom="bom" in query,
        checked="checked" in query,
    )
