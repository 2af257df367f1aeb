"""Reading cards again: which, with what, and what that would mean, before anything happens."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from batches import progress
from batches.actions import rereadings
from batches.forms import RereadingForm
from batches.models import Batch, Card
from batches.queries import grid
from batches.queries import rereading as queries
from batches.views.results import chips, editable, may
from cardocr_site.accounts.requests import SignedInRequest
from ocr.models import Engine


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def batch_reread(request: SignedInRequest, pk: int) -> HttpResponse:
    """The page, or for htmx what the choice means. Sent with POST the cards are read again."""
    batch = editable(request, pk)
    if batch.is_draft:
        return redirect("batch_upload", pk)
    data = request.POST if request.method == "POST" else request.GET
    filters = grid.Filters.from_query(data, batch)
    ids = list(grid.ticked(data))
    cards = grid.narrowed(batch, filters).filter(pk__in=ids) if ids else grid.narrowed(batch, filters)
    form = RereadingForm(batch, data if "engine" in data else None, version=data.get("version", ""))
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            made = rereadings.start(batch, request.user, cards, form.means())
        except rereadings.CannotReadAgain as error:
            messages.error(request, error.message)
            status = 409
        else:
            said = ngettext("%(n)s card is read again.", "%(n)s cards are read again.", made.total)
            messages.success(request, said % {"n": made.total})
            return redirect("batch_detail", pk)
    context = may(request, batch) | _context(batch, cards, form, filters, ids)
    if request.htmx.target == "reread-plan" and request.method != "POST":
        return render(request, "batches/_reread_plan.html", context)
    return render(request, "batches/batch_reread.html", context, status=status)


def _context(
    batch: Batch, cards: QuerySet[Card], form: RereadingForm, filters: grid.Filters, ids: list[int]
) -> dict[str, Any]:
    scope = queries.scope(cards)
    means = form.means() if form.is_bound and form.is_valid() else form.first_means()
    objection = queries.refusal(batch)
    hidden: Mapping[str, Any] = dict(QueryDict(filters.query()).items()) | {"card": ids}
    context = {
        "batch": batch,
        "form": form,
        "scope": scope,
        "filter_label": label_of(batch, filters),
        "filters": filters,
        "hidden": [(name, one) for name, value in hidden.items() for one in _each(value)],
        "picked": bool(ids) or filters.any,
        "address": reverse("batch_reread", args=[batch.pk]),
        "back": f"{reverse('batch_results', args=[batch.pk])}?{filters.query()}",
        "objection": objection,
    }
    return context | (_plan(batch, scope, means, objection) if means else {})


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def label_of(batch: Batch, filters: grid.Filters) -> str:
    return next((str(chip["label"]) for chip in chips(batch, filters) if chip["current"]), "") if filters.name else ""


def _plan(batch: Batch, scope: queries.Scope, means: queries.Means, objection: str) -> dict[str, Any]:
    engine = means.engine
    cost = queries.expected_cost(batch, means, scope.number)
    return {
        "means": means,
        "asked": queries.asked(batch, means),
        "objection": objection or queries.objection(batch, means),
        "host": urlsplit(engine.address).hostname or "",
        "model": "" if engine.kind == Engine.Kind.LOCAL else means.model or engine.model,
        "cost": "" if not cost else progress.money(cost, engine.currency),
        "free": cost == 0,
    }
