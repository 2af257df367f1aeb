"""Taking the results along, also while a batch is read."""

from dataclasses import replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from batches import exports
from batches.exports import about, rows, sending
from batches.exports import options as choices
from batches.exports.table import Table
from batches.models import Activity, Batch, ExportSettings
from batches.views.results import may, visible
from cardocr_site.accounts.requests import SignedInRequest

SHOWN = 6  # rows of the preview
EARLIER = 20


@require_safe
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def batch_export(request: SignedInRequest, pk: int) -> HttpResponse:
    """Which cards, columns and format; and the first rows of what would come. When htmx asks, only those."""
    batch = visible(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    mine = _last(batch, request)
    options = _options(request, batch, mine)
    context = {"batch": batch, "options": options, **_seen(request, batch, options)}
    if request.htmx.target == "export-seen":
        return render(request, "batches/_export_seen.html", context | {"swapped": True})
    earlier = Activity.objects.filter(batch=batch, kind="export").select_related("by")[:EARLIER]
    context |= {
        **may(request, batch),
        "formats": formats(),
        "which": _which(request, batch, mine),
        "fields": _fields(batch, options),
        "besides": [(name, label, name in options.besides) for name, label in _besides()],
        "separators": [("semicolon", _("Semicolon ;")), ("comma", _("Comma ,")), ("tab", _("Tab"))],
        "earlier": earlier,
        "saved": ExportSettings.objects.visible_to(request.user).select_related("by")[:50],
        "hidden": list(QueryDict(options.filters.query()).items()),
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
    if request.method == "HEAD":
        return HttpResponse(content_type=form.content_type, headers=sending.headers(exports.filename(batch, key)))
    options = choices.from_query(request.GET, batch, _since(_last(batch, request)))
    return sending.streamed(batch, request.user, form, options)


@require_safe
@login_required
def export_about(request: SignedInRequest, pk: int) -> HttpResponse:
    """What the columns of the file are, and whether formulas are guarded: a file beside a table without room for it."""
    batch = visible(request, pk)
    if batch.is_draft:
        raise Http404
    text = b"".join(about.write(batch, choices.from_query(request.GET, batch, _since(_last(batch, request)))))
    headers = sending.headers(exports.filename(batch, "about.txt"))
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=headers)


def _last(batch: Batch, request: SignedInRequest) -> Activity | None:
    """This person's last export of the batch that came to its end."""
    mine = Activity.objects.filter(batch=batch, kind="export", by=request.user)
    return next((one for one in mine[:EARLIER] if "sha256" in one.what and "version" in one.what), None)


def _since(last: Activity | None) -> int:
    return int(last.what["version"]) if last else 0


def _options(request: SignedInRequest, batch: Batch, mine: Activity | None) -> exports.Options:
    """As the form says; on a first visit all that was read, with what tells a value that nobody has seen."""
    options = choices.from_query(request.GET, batch, _since(mine))
    if "columns" in request.GET:
        return options
    which = "chosen" if options.filters.cards else "found" if options.filters.any else "read"
    besides = frozenset({"file", "status", "checked", "confidence"})
    return replace(options, which=which, besides=besides, bom=True, unreadable=True, delimiter=";")


def _seen(request: SignedInRequest, batch: Batch, options: exports.Options) -> dict[str, Any]:
    table = Table(batch, options)
    first = list(rows.first(batch, options, SHOWN))
    count = _count(batch, options)
    unseen = 0 if options.which == "checked" else max(0, batch.completed - batch.reviewed)
    key = request.GET.get("format", "csv")
    return {
        "count": count,
        "head": table.head(),
        "first": [row for card in first for row in table.of_card(card)][:SHOWN],
        "tabular": key in {"csv", "xlsx"},
        "settings": choices.settings_of(options, key),
        "unseen": unseen if options.which in {"all", "read"} else 0,
        "unread": batch.total - batch.completed,
        "broad": options.which in {"all", "read"},
    }


def _count(batch: Batch, options: exports.Options) -> int:
    """By the batch's counters where they tell it."""
    known = {"all": batch.total, "read": batch.completed}
    return known[options.which] if options.which in known else choices.of_cards(batch, options).count()


def formats() -> list[tuple[str, str, str]]:
    words = {
        "csv": ("CSV", _("For Excel, OpenRefine, R")),
        "xlsx": ("Excel", _("Every cell as text")),
        "json": ("JSON", _("Everything, one file")),
        "jsonl": ("JSON Lines", _("Everything, one card on a line")),
        "txt": (_("Plain text"), _("The text of each card")),
    }
    return [(key, *words[key]) for key in exports.FORMATS]


def _which(request: SignedInRequest, batch: Batch, mine: Activity | None) -> list[tuple[str, str, int, str]]:
    """Name, label, number of cards, and what more there is to say."""
    unseen = batch.completed - batch.reviewed
    shown = [
        ("read", _("All cards that were read"), batch.completed, _("%(n)s nobody has looked at") % {"n": unseen}),
        (
            "checked",
            _("Only cards checked by a person"),
            _count(batch, replace(exports.Options(), which="checked")),
            "",
        ),
        ("all", _("Every card"), batch.total, _("with those that were not read; the column “status” says so")),
    ]
    if mine is not None:
        changed = replace(exports.Options(), which="changed", since=_since(mine))
        shown.append(("changed", _("Changed since my last export"), _count(batch, changed), ""))
    options = choices.from_query(request.GET, batch)
    filters = replace(options.filters, cards=())
    if filters.any or options.which == "found":
        found = replace(options, which="found", filters=filters)
        shown.append(("found", _("The cards that I filtered"), _count(batch, found), ""))
    if options.filters.cards:
        chosen = replace(options, which="chosen")
        shown.append(("chosen", _("The cards that I chose"), _count(batch, chosen), ""))
    return shown


def _fields(batch: Batch, options: exports.Options) -> list[dict[str, Any]]:
    """Each field with the first card that has something there, so that one sees what the two forms are."""
    cards = list(rows.first(batch, replace(options, which="read"), SHOWN))
    shown = []
    for spec in batch.specs():
        card = next((one for one in cards if rows.value(one, spec.key)), None)
        value = rows.value(card, spec.key) if card else None
        verbatim = rows.verbatim(card, spec.key) if card else None
        shown.append(
            {
                "spec": spec,
                "value": value,
                "verbatim": verbatim,
                "wants_value": options.wants(spec.key, "value"),
                "wants_verbatim": options.wants(spec.key, "verbatim"),
            }
        )
    return shown


def _besides() -> list[tuple[str, str]]:
    return [
        ("checked", _("Checked, by whom")),
        ("confidence", _("How sure the engine was")),
        ("file", _("File name of the scan")),
        ("status", _("Status and error")),
        ("engine", _("Engine and model")),
        ("text", _("All text on the card")),
        ("machine", _("What the machine read first")),
    ]
