"""Collections: the batches of one name, their cards together, and what can be taken away of them."""

import re
import unicodedata
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers
from django_htmx.http import HttpResponseClientRefresh

from batches import exports
from batches.actions import activity
from batches.exports import collected, sending
from batches.exports import options as choices
from batches.live import collecting
from batches.models import Batch, Card
from batches.queries import collections, columns, grid, lists, saved_views
from batches.streaming import stream
from batches.views.exports import formats
from batches.views.results import arrange, arranged, card_of, chips, chooser, heads, marks, may, narrowing, pager
from cardocr_site.accounts.requests import SignedInRequest

PER_PAGE = 50
DOTS = {".", ".."}  # which a browser would take for folders


class NameConverter:
    """A collection's name as one part of an address: servers decode %2F before anybody looks at the path."""

    regex = "[^/\x00]+"  # PostgreSQL knows no text with a NUL

    def to_python(self, value: str) -> str:
        return value.replace("~2", ".").replace("~1", "/").replace("~0", "~")

    def to_url(self, value: str) -> str:
        name = value.replace("~", "~0").replace("/", "~1")
        return name.replace(".", "~2") if name in DOTS else name


@require_safe
@login_required
@never_cache
def collection_list(request: SignedInRequest) -> HttpResponse:
    text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    page = Paginator(collections.shelves(request.user, text), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "batches/collection_list.html", {"page": page, "text": text})


def batches_of(request: SignedInRequest, name: str) -> list[Batch]:
    """404 also for a collection of which this person may not know."""
    batches = collections.batches_of(request.user, name)
    if not batches:
        raise Http404
    return batches


def shared_of(request: SignedInRequest, name: str, batches: list[Batch], current: str) -> dict[str, Any]:
    """What every page of a collection shows."""
    read = collections.started(batches)
    whole = collections.whole(name, read)
    return {
        **lists.allowed(batches, request.user),
        "name": name,
        "whole": whole,
        "batches": batches,
        "current": current,
        "cards": whole.total,
        "can_act": request.user.corrects,  # also where nothing of a filter is to be acted on: the next may have some
        "to_check": sum(batch.to_check for batch in read),
    }


@require_safe
@login_required
@never_cache
def collection_detail(request: SignedInRequest, name: str) -> HttpResponse:
    """Its batches, and how far they are together."""
    batches = batches_of(request, name)
    page = Paginator(batches, PER_PAGE).get_page(request.GET.get("page"))
    shown = [batch.pk for batch in page.object_list]
    by_id = {batch.pk: batch for batch in lists.with_first_card(Batch.objects.filter(pk__in=shown))}
    shared = shared_of(request, name, batches, "batches")
    context = shared | {
        "page": page,
        "rows": lists.rows(by_id[pk] for pk in shown if pk in by_id),
        "sum": lists.row(shared["whole"]),
        "drafts": sum(batch.is_draft for batch in batches),
        "unseen": max(0, shared["whole"].completed - shared["whole"].reviewed - shared["whole"].to_check),
    }
    return render(request, "batches/collection_detail.html", context)


@require_safe
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def collection_cards(request: SignedInRequest, name: str) -> HttpResponse:
    """The cards of its started batches; their fields are united by key."""
    context = _table(request, name, request.GET) | {"focus": request.GET.get("columns", "")}
    if request.htmx.target == "collection-grid":
        return render(request, "batches/_collection_grid.html", context)
    stand = collecting.at(name, collections.started(context["batches"]))
    return render(request, "batches/collection_cards.html", context | {"cursor": stand})


@require_POST
@login_required
@vary_on_headers("HX-Request", "HX-Target")
def collection_columns(request: SignedInRequest, name: str) -> HttpResponse:
    """As batch_columns."""
    whole = collections.whole(name, collections.started(batches_of(request, name)))
    asked = QueryDict(request.POST.get("query", "").replace("\x00", "")[:4000])
    view = saved_views.opened(request.user, grid.Filters.from_query(asked, whole))
    arrange(request, columns.Table(whole.specs(), collection=name), view)
    return arranged(request, _table(request, name, asked), "batches/_collection_grid.html")


def _table(request: SignedInRequest, name: str, asked: QueryDict) -> dict[str, Any]:
    """The cards that an address asks for, and what stands around them."""
    batches = batches_of(request, name)
    shared = shared_of(request, name, batches, "cards")
    whole, read = shared["whole"], collections.started(batches)
    filters = grid.Filters.from_query(asked, whole)
    view = saved_views.opened(request.user, filters)
    filters = replace(filters, view=view.pk if view else 0)
    counted = collections.numbers(read, filters)
    sheet = collections.page(read, filters, counted, asked.get("page"))
    rows = collections.rows(read, sheet.cards)
    mine = shared["mine"]
    table = columns.Table(whole.specs(), collection=name)
    shown = columns.laid(table, columns.layout_of(table, request.user, view))
    return shared | {
        "collection": name,
        "views": saved_views.shelf(request.user, lambda asked: grid.Filters.from_query(asked, whole), filters),
        "address": reverse("collection_cards", args=[name]),
        "can_correct": request.user.corrects and bool(sheet.count),
        "can_edit": any(batch.pk in mine for batch in read),
        "hidden": list(QueryDict(filters.query()).items()),
        "filters": filters,
        "query": filters.query(),
        "sheet": sheet,
        "heads": heads(shown, filters),
        "columns_address": reverse("collection_columns", args=[name]),
        "grid": "#collection-grid",
        **chooser(shown, view, filters, sheet),
        "rows": [(one, one.batch.pk in mine) for one in rows],
        "chips": [] if filters.cause else chips(whole, filters),
        "marks": marks(whole, filters),
        "narrowing": narrowing(whole, filters),
        **pager(filters, sheet),
    }


@require_safe
@login_required
@never_cache
def collection_live(request: SignedInRequest, name: str) -> JsonResponse:
    """For a table whose socket does not come through: the frame that the socket would send."""
    stand = collecting.parse(name, get_language() or "", request.GET.get("after", ""))
    seen = collecting.seen_by(request.user, stand)
    if seen is None:
        raise Http404
    return JsonResponse(collecting.frame_of(seen))


def row(request: SignedInRequest, name: str, batch: Batch, card: Card, status: int = 200) -> HttpResponse:
    """A card as the collection's table shows it; the whole page anew, where its batch is not in it any more."""
    read = collections.started(collections.batches_of(request.user, name))
    if batch.pk not in {one.pk for one in read}:
        return HttpResponseClientRefresh()
    whole = collections.whole(name, read)
    from_page = QueryDict(urlsplit(request.htmx.current_url_abs_path or "").query)
    query = grid.Filters.from_query(from_page, whole).query()
    drawn = collections.rows(read, [card_of(batch, card.pk)])[0]
    shown = columns.of_collection(whole.specs())
    context = may(request, batch) | {"one": drawn, "collection": name, "query": query, "columns": shown}
    return render(request, "batches/_collection_row.html", context, status=status)


@require_safe
@login_required
@never_cache
def collection_export(request: SignedInRequest, name: str) -> HttpResponse:
    """Which format and which cards of all its started batches; also those that were chosen in the table."""
    batches = batches_of(request, name)
    shared = shared_of(request, name, batches, "export")
    whole = shared["whole"]
    read = collections.started(batches)
    filters = grid.Filters.from_query(request.GET, whole)
    chosen = [
        (which, label, sum(collections.numbers(read, narrowed).values()))
        for which, label, narrowed in (
            ("found", _("The cards that I filtered"), replace(filters, cards=())),
            ("chosen", _("The cards that I chose"), grid.Filters(cards=filters.cards)),
        )
        if narrowed.any
    ]
    context = shared | {
        "formats": [one for one in formats() if one[0] in collected.WRITERS],
        "which": [
            ("read", _("All cards that were read"), whole.completed),
            ("checked", _("Only cards checked by a person"), None),
            ("all", _("Every card"), whole.total),
            *chosen,
        ],
        "asked": chosen[-1][0] if chosen else "read",
        "hidden": list(QueryDict(filters.query()).items()),
        "separators": [("semicolon", _("Semicolon ;")), ("comma", _("Comma ,")), ("tab", _("Tab"))],
        "read": len(read),
        "unread": whole.total - whole.completed,
        "unseen": max(0, whole.completed - whole.reviewed),
        "columns": [spec.label for spec in whole.specs()],
    }
    return render(request, "batches/collection_export.html", context)


@require_safe
@login_required
def collection_download(request: SignedInRequest, name: str) -> HttpResponseBase:
    """Streamed, batch after batch."""
    batches = collections.started(batches_of(request, name))
    key = request.GET.get("format", "csv")
    write = collected.WRITERS.get(key)
    if write is None or not batches:
        raise Http404
    content_type = exports.FORMATS[key].content_type
    headers = sending.headers(_filename(name, key))
    if request.method == "HEAD":
        return HttpResponse(content_type=content_type, headers=headers)
    whole = collections.whole(name, batches)
    options = choices.from_query(request.GET, whole)
    batches = collected.having(batches, options)
    told = {"format": key, "collection": name, "which": options.which}
    activity.record_each(batches, request.user, "export_collection", **told)
    body = stream(write(whole, batches, options))
    return StreamingHttpResponse(body, content_type=content_type, headers=headers)


def _filename(name: str, key: str) -> str:
    """Safe on every system, as that of a batch."""
    stem = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).strip("._-")
    return f"{stem[:60] or 'collection'}.{key}"
