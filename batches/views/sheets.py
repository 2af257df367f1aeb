"""Several cards on a sheet: what was found, the cuts of one sheet, and giving sheets back whole."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from batches import pictures
from batches.actions import sheets
from batches.actions.drafts import Refused
from batches.intake import looking, names
from batches.models import Batch, Sheet
from batches.views.results import editable, may
from cardocr_site.accounts.requests import SignedInRequest

PER_PAGE = 24
SIDES = ("left", "top", "width", "height")


@dataclass(frozen=True, slots=True)
class Cut:
    """A region as it stands in the form: as typed, where that is no number."""

    number: int
    left: str
    top: str
    width: str
    height: str


@require_safe
@login_required
@never_cache
def batch_sheets(request: SignedInRequest, pk: int) -> HttpResponse:
    """The pages of a draft with several cards on them; where there are none, or all are wanted, all pages."""
    batch = editable(request, pk)
    if not batch.is_draft:
        return redirect("batch_detail", pk)
    found, cut, looked_at = sheets.several(batch).count(), batch.sheets.exclude(cuts=[]).count(), batch.sheets.count()
    every = "all" in request.GET or not (found or cut)
    shown = batch.sheets.all() if every else batch.sheets.filter(Q(found__1__isnull=False) | ~Q(cuts=[]))
    page = Paginator(_in_order(shown), PER_PAGE).get_page(request.GET.get("page"))
    found_here = batch.sheets.in_bulk(list(page.object_list))
    context = {
        "batch": batch,
        **may(request, batch),
        "wanted": batch.option("sheets"),
        "page": page,
        "sheets": [found_here[pk] for pk in page.object_list if pk in found_here],
        "left": looking.due(batch.pk).count() + batch.cards.filter(prepared_at=None, cut=0).count(),
        "several": found,
        "cut": cut,
        "single": 0 if every else looked_at - page.paginator.count,
        "every": every,
    }
    return render(request, "batches/batch_sheets.html", context)


def _in_order(sheets: "QuerySet[Sheet]") -> list[int]:
    """In the natural order of their names: sent four at a time, they came in any."""
    rows = sheets.values_list("pk", "original_name", "page")
    return [pk for pk, *_ in sorted(rows, key=lambda row: (names.natural(row[1]), row[2], row[0]))]


@require_POST
@login_required
def sheets_look(request: SignedInRequest, pk: int) -> HttpResponse:
    """Look for the cards on each page, or stop doing so."""
    return _done(request, editable(request, pk), lambda batch: _looked(request, batch))


def _looked(request: SignedInRequest, batch: Batch) -> str:
    sheets.look_for(batch, "stop" not in request.POST)
    return ""


@require_POST
@login_required
def sheets_cut(request: SignedInRequest, pk: int) -> HttpResponse:
    """Cut all sheets as they were found."""
    return _done(request, editable(request, pk), lambda batch: _said_cut(sheets.cut_as_found(batch)))


@require_POST
@login_required
def sheets_whole(request: SignedInRequest, pk: int) -> HttpResponse:
    """Give all sheets back whole."""
    return _done(request, editable(request, pk), lambda batch: _said_whole(sheets.undo(batch)))


def _done(request: SignedInRequest, batch: Batch, act: Any) -> HttpResponse:
    try:
        if said := act(batch):
            messages.success(request, said)
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("batch_sheets", batch.pk)


def _said_cut(number: int) -> str:
    return ngettext("%(n)s sheet is cut.", "%(n)s sheets are cut.", number) % {"n": number}


def _said_whole(number: int) -> str:
    return ngettext("%(n)s sheet is whole again.", "%(n)s sheets are whole again.", number) % {"n": number}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def sheet_detail(request: SignedInRequest, pk: int, sheet_pk: int) -> HttpResponse:
    """One sheet and its cuts: moved, added, taken away; for it alone or for all that look alike."""
    batch = editable(request, pk)
    sheet = get_object_or_404(batch.sheets.select_related("batch"), pk=sheet_pk)
    if not batch.is_draft:
        return redirect("batch_detail", pk)
    if request.method != "POST":
        return _sheet_page(request, sheet, _cuts_of(sheet.cuts or sheet.found))
    do = request.POST.get("do")
    cuts = _typed(request.POST)
    if do == "add":
        wide, high = sheet.width // 2, sheet.height // 2
        return _sheet_page(request, sheet, [*cuts, *_cuts_of([[0, 0, wide, high]], len(cuts))])
    try:
        if do == "whole":
            said = _said_whole(sheets.undo(batch, sheet))
        else:
            said = _said_cut(sheets.cut(sheet, _numbers(cuts), all_alike=do == "alike"))
    except Refused as refused:
        return _sheet_page(request, sheet, cuts, problem=str(refused))
    messages.success(request, said)
    return redirect("batch_sheets", pk)


def _sheet_page(request: SignedInRequest, sheet: Sheet, cuts: list[Cut], *, problem: str = "") -> HttpResponse:
    order = _in_order(sheet.batch.sheets.all())
    place = order.index(sheet.pk)
    context = {
        "batch": sheet.batch,
        **may(request, sheet.batch),
        "sheet": sheet,
        "cuts": cuts,
        "fields": _fields(),
        "alike": len(sheets.alike(sheet)),
        "problem": problem,
        "next": order[place + 1] if place + 1 < len(order) else None,
        "previous": order[place - 1] if place else None,
    }
    return render(request, "batches/sheet_detail.html", context, status=422 if problem else 200)


def _fields() -> list[tuple[str, str]]:
    return [("left", _("Left")), ("top", _("Top")), ("width", _("Width")), ("height", _("Height"))]


def _cuts_of(regions: list[Any], after: int = 0) -> list[Cut]:
    return [Cut(number, *map(str, region)) for number, region in enumerate(regions, after + 1)]


def _typed(data: QueryDict) -> list[Cut]:
    """The rows of the form, without empty ones and those that are to be taken away."""
    removed = set(data.getlist("remove"))
    rows = zip(*(data.getlist(side) for side in SIDES), strict=False)
    kept = [row for number, row in enumerate(rows, 1) if any(row) and str(number) not in removed]
    return [Cut(number, *(text.strip()[:12] for text in row)) for number, row in enumerate(kept, 1)]


def _numbers(cuts: list[Cut]) -> list[list[int]]:
    regions = []
    for cut in cuts:
        texts = (cut.left, cut.top, cut.width, cut.height)
        if not all(text.isdecimal() and len(text) < 7 for text in texts):
            raise Refused(_("Cut %(n)d needs four whole numbers.") % {"n": cut.number})
        regions.append([int(text) for text in texts])
    return regions


@require_safe
@login_required
def sheet_image(request: HttpRequest, pk: int, sheet_pk: int, size: str) -> HttpResponseBase:
    """The whole page, as it lies."""
    visible = Batch.objects.visible_to(request.user)
    sheet = get_object_or_404(Sheet.objects.filter(batch__in=visible).select_related("batch"), pk=sheet_pk, batch_id=pk)
    sheet.rotation = 0
    return pictures.show(request, sheet, size)
