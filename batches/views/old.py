"""What is old: listed, looked at closely, and deleted once an administrator has typed how much of it there is."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from batches.actions import clearing as clearings
from batches.exports.csv import BOM
from batches.exports.sending import headers
from batches.exports.table import safe
from batches.models import Batch, Clearing, ClearingItem
from batches.queries import old
from batches.streaming import stream
from cardocr_site.accounts.requests import SignedInRequest, administrator_required

PER_PAGE = 50
EARLIER = 20
MONTHS = 24
Kind = Clearing.Kind
LEFTOVERS = clearings.LEFTOVERS


@dataclass(frozen=True, slots=True)
class Row:
    batch: Batch
    shared: list[str]
    exported: datetime | None
    sent: int


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@administrator_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def old_list(request: SignedInRequest) -> HttpResponse:
    """What nobody has touched for so many months. A POST makes the preview; nothing is deleted here."""
    asked = request.POST if request.method == "POST" else request.GET
    kind, error = asked.get("kind", Kind.FINISHED), ""
    months = _months(asked.get("months", str(MONTHS)))
    if kind not in Kind.values:
        kind, error = Kind.FINISHED, _("There is no such kind.")
    if months is None:
        months, error = MONTHS, _("Say how many months, from 1 to 600.")
    if request.method == "POST" and not error:
        return redirect("old_preview", clearings.preview(kind, months, request.user).token)
    page = Paginator(old.batches(kind, clearings.since(months)).select_related("owner"), PER_PAGE)
    context: dict[str, Any] = {
        "kinds": Kind.choices,
        "kind": kind,
        "months": months,
        "error": error,
        "page": page.get_page(request.GET.get("page")),
        "leftovers": _leftovers(months) if kind == Kind.LEFTOVERS else [],
    }
    context["rows"] = _rows(list(context["page"].object_list))
    name = "_old_table" if request.htmx.target == "old" else "old_list"
    if name == "old_list":
        context["earlier"] = Clearing.objects.exclude(confirmed_at=None).select_related("by")[:EARLIER]
    return render(request, f"batches/{name}.html", context, status=422 if error else 200)


def _months(text: str) -> int | None:
    if not (text.isascii() and text.isdecimal() and len(text) < 5):
        return None
    months = int(text)
    return months if clearings.LEAST <= months <= clearings.MOST else None


def _leftovers(months: int) -> list[tuple[str, int]]:
    before = clearings.since(months)
    counted = [(name, old.leftovers(name, before).count()) for name in LEFTOVERS]
    return [(str(LEFTOVERS[name]), number) for name, number in counted if number]


def _rows(batches: list[Batch]) -> list[Row]:
    pks = [batch.pk for batch in batches]
    exported, sent = old.exported(pks), old.sent(pks)
    groups = old.shared_with(pks)
    return [
        Row(batch, [*_everybody(batch), *groups.get(batch.pk, [])], exported.get(batch.pk), sent.get(batch.pk, 0))
        for batch in batches
    ]


def _everybody(batch: Batch) -> list[str]:
    return [] if batch.private else [_("everybody")]


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@administrator_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def old_preview(request: SignedInRequest, token: str) -> HttpResponse:
    """Exactly what would go; typed into it, the number of cards deletes it. Then: how far that has come."""
    clearing = get_object_or_404(Clearing.objects.select_related("by"), token=token)
    typed, error = request.POST.get("number", ""), ""
    if request.method == "POST" and clearing.confirmed_at is None:
        try:
            clearings.confirm(clearing, request.user, typed, request.POST.get("seen", ""))
        except clearings.Refused as refused:
            error = str(refused)
        else:
            return redirect("old_preview", token)
    context = {"clearing": clearing, "totals": clearings.totals(clearing), "summary": clearings.summary(clearing)}
    if clearing.confirmed_at is None:
        context |= _preview(clearing)
    else:
        left = clearing.items.filter(why__gt="").order_by("pk")
        context["left"] = [(named(item), clearings.LEFT.get(item.why, item.why)) for item in left[:PER_PAGE]]
        context["left_number"] = left.count()
    name = "_old_progress" if request.htmx.target == "old-progress" else "old_preview"
    return render(
        request,
        f"batches/{name}.html",
        context | {"typed": typed, "error": error},
        status=422 if error else 200,
    )


def _preview(clearing: Clearing) -> dict[str, Any]:
    return {
        "items": [(item, named(item)) for item in clearing.items.order_by("pk")[: PER_PAGE * 2]],
        "shown": PER_PAGE * 2,
        "changed": clearings.changed(clearing),
        "seen": clearings.fingerprint(clearing),
        "number": clearings.to_type(clearing),
        "whole": clearing.kind in old.WHOLE,
        "at_once": clearings.AT_ONCE,
    }


def named(item: ClearingItem) -> str:
    return item.name if item.batch is not None else str(LEFTOVERS.get(item.name, item.name))


@require_safe
@login_required
@never_cache
def old_download(request: SignedInRequest, token: str) -> HttpResponseBase:
    """The whole preview, a line for each batch; later with what became of it."""
    if not request.user.is_administrator:
        raise PermissionDenied(_("That is for administrators."))
    clearing = get_object_or_404(Clearing, token=token)
    told = headers(f"old-{clearing.kind}_{clearing.made_at:%Y-%m-%d}_{token}.csv")
    if request.method == "HEAD":
        return HttpResponse(content_type="text/csv; charset=utf-8", headers=told)
    return StreamingHttpResponse(stream(_lines(clearing)), content_type="text/csv; charset=utf-8", headers=told)


COLUMNS = ("batch", "uid", "name", "version", "cards", "reviewed", "number", "bytes", "state", "why")


def _lines(clearing: Clearing) -> Iterator[bytes]:
    yield BOM.encode()
    yield _line(list(COLUMNS))
    for row in list(clearing.items.order_by("pk").values_list(*COLUMNS)):
        yield _line([safe("" if value is None else str(value)) for value in row])


def _line(values: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue().encode("utf-8", "replace")
