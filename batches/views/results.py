"""The cards of a batch as a grid."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from batches import progress
from batches.actions import columns as column_acts
from batches.live import feed
from batches.models import Batch, Card, SavedView
from batches.queries import columns, grid, results, rights, saved_views
from cardocr_site.accounts.requests import SignedInRequest

BELOW = (50, 60, 70, 80, 90, 95, 99)  # percent; by the address every other one, too


@require_safe
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def batch_results(request: SignedInRequest, pk: int) -> HttpResponse:
    """All cards with their values. When htmx asks for the grid (filter, order, page), only that."""
    batch = visible(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    context = _table(request, batch, request.GET) | {"focus": request.GET.get("columns", "")}
    if request.htmx.target == "card-grid":
        return render(request, "batches/_grid.html", context | {"swapped": True})
    return render(request, "batches/batch_results.html", context | {"cursor": feed.cursor_at(batch)})


def _table(request: SignedInRequest, batch: Batch, asked: QueryDict) -> dict[str, Any]:
    """The cards that an address asks for, and what stands around them."""
    filters = grid.Filters.from_query(asked, batch)
    view = saved_views.opened(request.user, filters)
    filters = replace(filters, view=view.pk if view else 0)
    sheet = grid.page(batch, filters, asked.get("page"))
    table = columns.of_batch(batch)
    shown = columns.laid(table, columns.layout_of(table, request.user, view))
    return {
        "batch": batch,
        **may(request, batch),
        "filters": filters,
        "query": filters.query(),
        "sheet": sheet,
        "rows": results.rows(batch, sheet.cards),
        "heads": heads(shown, filters),
        "views": saved_views.shelf(request.user, lambda asked: grid.Filters.from_query(asked, batch), filters),
        "address": reverse("batch_results", args=[batch.pk]),
        "columns_address": reverse("batch_columns", args=[batch.pk]),
        "grid": "#card-grid",
        **chooser(shown, view, filters, sheet),
        "hidden": list(QueryDict(filters.query()).items()),
        "chips": chips(batch, filters),
        "marks": marks(batch, filters),
        "narrowing": narrowing(batch, filters),
        **pager(filters, sheet),
    }


def chooser(
    shown: Sequence[columns.Column], view: SavedView | None, filters: grid.Filters, sheet: grid.Sheet
) -> dict[str, Any]:
    """What the menu of the columns needs, beside its address, and the table that they stand in."""
    return {
        "columns": shown,
        "columns_of": view,
        "without_view": filters.query(view=""),
        "columns_hidden": sum(not column.shown for column in shown),
        "columns_shown": sum(column.shown for column in shown if column.optional),
        "places": columns.places(shown),
        "here": filters.query(page=str(sheet.number)) if sheet.number > 1 else filters.query(),
    }


def visible(request: SignedInRequest, pk: int) -> Batch:
    return get_object_or_404(Batch.objects.visible_to(request.user).select_related("owner", "engine"), pk=pk)


def editable(request: SignedInRequest, pk: int) -> Batch:
    return get_object_or_404(Batch.objects.editable_by(request.user).select_related("owner", "engine"), pk=pk)


def correctable(request: SignedInRequest, pk: int) -> Batch:
    return get_object_or_404(Batch.objects.correctable_by(request.user).select_related("owner", "engine"), pk=pk)


def owned(request: SignedInRequest, pk: int) -> Batch:
    return get_object_or_404(Batch.objects.owned_by(request.user).select_related("owner", "engine"), pk=pk)


def may(request: SignedInRequest, batch: Batch) -> dict[str, bool]:
    """can_correct, can_edit, can_own: for templates of a batch that this person can see."""
    return rights.shown(rights.of(request.user, batch))


def card_of(batch: Batch, card_pk: int) -> Card:
    return get_object_or_404(batch.cards.select_related("result", "reviewed_by"), pk=card_pk)


def chips(batch: Batch, filters: grid.Filters, fitting: int | None = None) -> list[dict[str, Any]]:
    """`fitting`: how many cards fail for the cause of the filter, where it is known."""
    labels = {
        "": (_("All"), ""),
        "check": (_("To check"), "count--warn"),
        "empty": (_("Nothing found"), "count--warn"),
        "again": (_("Check again"), "count--warn"),
        "problems": (_("Problems"), "count--bad"),
        "reviewed": (_("Checked"), ""),
        "read": (_("Not looked at"), ""),
        "sample": (_("Drawn at random"), ""),
        "skipped": (_("Skipped"), ""),
        "blank": (_("Blank"), ""),
        "left-out": (_("Not chosen"), ""),
        "waiting": (_("Not read yet"), ""),
    }
    numbers = grid.counts(batch)
    shown = [
        {
            "label": label,
            "css": css if numbers[name] else "",
            "count": numbers[name],
            "query": filters.query(filter=name),
            "current": filters.name == name and not filters.cause,
        }
        for name, (label, css) in labels.items()
        if numbers[name] or name in {"", "check", "problems", "reviewed", filters.name}
    ]
    return [*shown, _chip_of_cause(batch, filters, fitting)] if filters.cause else shown


def marks(batch: Batch, filters: grid.Filters) -> list[dict[str, str]]:
    """What narrows the table besides, each with the address of the table without it."""
    found = []
    if filters.text and filters.field:
        label = next(spec.label for spec in batch.specs() if spec.key == filters.field)
        found.append((_("text in “%(field)s”") % {"field": label}, {"in": ""}))
    if filters.below:
        found.append((_("less than %(n)s %% sure") % {"n": filters.below}, {"below": ""}))
    if filters.cards:
        number = len(filters.cards)
        said = ngettext("%(n)s chosen card", "%(n)s chosen cards", number) % {"n": number}
        found.append((said, {"cards": ""}))
    return [{"label": label, "query": filters.query(**without)} for label, without in found]


def narrowing(batch: Batch, filters: grid.Filters) -> dict[str, Any]:
    """What the menu of further filters offers."""
    return {
        "fields": [(spec.key, spec.label) for spec in batch.specs()],
        "below": sorted({*BELOW, filters.below} - {0}),
    }


def _chip_of_cause(batch: Batch, filters: grid.Filters, fitting: int | None) -> dict[str, Any]:
    if fitting is None:
        fitting = batch.cards.filter(grid.FILTERS["problems"], error=filters.cause).count()
    return {
        "label": progress.error_sentence(filters.cause).rstrip("."),
        "css": "count--bad",
        "count": fitting,
        "query": filters.query(),
        "current": True,
    }


def pager(filters: grid.Filters, sheet: grid.Sheet) -> dict[str, Any]:
    """Addresses of the other pages, and of pages with more rows."""
    return {
        "sizes": [(size, filters.query(per=str(size))) for size in grid.PAGE_SIZES],
        "pages": [(number, filters.query(page=str(number)) if number else "") for number in sheet.shown],
        "previous": filters.query(page=str(sheet.number - 1)) if sheet.number > 1 else "",
        "next": filters.query(page=str(sheet.number + 1)) if sheet.number < sheet.pages else "",
    }


def heads(shown: Sequence[columns.Column], filters: grid.Filters) -> list[dict[str, Any]]:
    """Heads of the grid: a second click turns the order round."""
    directions = {filters.sort.removeprefix("-"): "descending" if filters.sort.startswith("-") else "ascending"}
    return [
        {
            "label": column.label,
            "css": column.css,
            "sorted": directions.get(column.sort, "") if column.sort else "",
            "query": filters.query(sort=filters.turned(column.sort)) if column.sort else "",
            "sortable": column.sort,
        }
        for column in shown
    ]


@require_POST
@login_required
@vary_on_headers("HX-Request", "HX-Target")
def batch_columns(request: SignedInRequest, pk: int) -> HttpResponse:
    """Which columns this person sees, and one of them a step up or down; back to the same cards."""
    batch = visible(request, pk)
    asked = QueryDict(request.POST.get("query", "").replace("\x00", "")[:4000])
    view = saved_views.opened(request.user, grid.Filters.from_query(asked, batch))
    arrange(request, columns.of_batch(batch), view)
    return arranged(request, _table(request, batch, asked) | {"swapped": True}, "batches/_grid.html")


def arrange(request: SignedInRequest, table: columns.Table, view: SavedView | None) -> None:
    way = _way(request)
    if "take" in request.POST:
        column_acts.take(table, request.user, columns.layout_of(table, request.user, view))
        said = (
            _("This batch has these columns from now on, without the view, too.")
            if table.batch
            else _("This collection has these columns from now on, without the view, too.")
        )
        messages.success(request, said)
    elif "plain" in request.POST:
        column_acts.as_in_template(table, request.user, view)
    else:
        column_acts.show(table, request.user, view, request.POST.getlist("column"), request.POST.get(way, ""), way)


def arranged(request: SignedInRequest, context: dict[str, Any], template: str) -> HttpResponse:
    """The table anew with its menu open, and the step that was gone still under the finger; or the way back to it."""
    way = _way(request)
    moved = next((one for one in context["columns"][1:] if way and one.name == request.POST[way]), None)
    focus = f"{way}-{moved.place}" if moved else ""
    if f"#{request.htmx.target}" == context["grid"]:
        said = moved and _moved(moved, context["columns"])
        return render(request, template, context | {"focus": focus or "open", "said": said})
    query = "&".join(part for part in (context["here"], focus and f"columns={focus}") if part)
    return redirect(f"{context['address']}?{query}" if query else context["address"])


def _way(request: SignedInRequest) -> str:
    return next((way for way in column_acts.STEPS if way in request.POST), "")


def _moved(moved: columns.Column, shown: Sequence[columns.Column]) -> str:
    place = {"label": moved.label, "n": shown.index(moved), "of": len(shown) - 1}
    return _("%(label)s is column %(n)s of %(of)s") % place
