"""Reading cards of several batches again: each with its own fields, all with one engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from batches import progress
from batches.actions import rereadings
from batches.forms import RereadingForm
from batches.models import Batch
from batches.queries import collections, grid
from batches.queries import rereading as queries
from batches.views.acts import chosen
from batches.views.collections import batches_of, shared_of
from batches.views.rereading import label_of
from cardocr_site.accounts.requests import SignedInRequest
from ocr.models import Engine


@dataclass(frozen=True, slots=True)
class _Plan:
    """The batches that can be read again now, with the number of their cards; and why others cannot."""

    ready: list[tuple[collections.Chosen, int]]
    held: list[tuple[Batch, str]]

    @property
    def batches(self) -> list[Batch]:
        return [batch for (batch, _filters), _number in self.ready]


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def collection_reread(request: SignedInRequest, name: str) -> HttpResponse:
    """As batch_reread, of all batches that this person may change; one that cannot be read now is left as it is."""
    batches = batches_of(request, name)
    shared = shared_of(request, name, batches, "cards")
    data = request.POST if request.method == "POST" else request.GET
    filters = chosen(data, shared["whole"])
    mine = [batch for batch in collections.started(batches) if batch.pk in shared["mine"]]
    meant = collections.chosen(mine, filters)
    form = RereadingForm(_as_last_read(name, [batch for batch, _filters in meant]), data if "engine" in data else None)
    means = form.means() if form.is_bound and form.is_valid() else form.first_means()
    plan = _plan(meant, filters, means)
    if request.method == "POST" and form.is_valid():
        return _start(request, name, plan, form.means())
    context = shared | _context(name, plan, form, means, filters) | {"whole": shared["whole"]}
    if request.htmx.target == "reread-plan" and request.method != "POST":
        return render(request, "batches/_reread_plan.html", context)
    return render(request, "batches/collection_reread.html", context)


def _as_last_read(name: str, batches: Sequence[Batch]) -> Batch:
    """Together, with the engine of the newest of them: that is what is offered first."""
    whole = collections.whole(name, batches)
    if batches:
        newest = max(batches, key=lambda batch: batch.pk)
        whole.engine_id, whole.model = newest.engine_id, newest.model
    return whole


def _plan(meant: Sequence[collections.Chosen], filters: grid.Filters, means: queries.Means | None) -> _Plan:
    readable = collections.narrowed([batch for batch, _own in meant], filters).filter(status__in=queries.READ)
    numbers = dict(readable.order_by().values("batch").annotate(n=Count("pk")).values_list("batch", "n"))
    plan = _Plan([], [])
    for batch, own in meant:
        if batch.pk not in numbers:
            continue
        said = queries.refusal(batch) or (queries.objection(batch, means) if means else "")
        if said:
            plan.held.append((batch, said))
        else:
            plan.ready.append(((batch, own), numbers[batch.pk]))
    return plan


def _context(
    name: str, plan: _Plan, form: RereadingForm, means: queries.Means | None, filters: grid.Filters
) -> dict[str, Any]:
    context: dict[str, Any] = {
        "form": form,
        "scope": queries.scope(collections.narrowed(plan.batches, filters)),
        "held": plan.held,
        "filters": filters,
        "filter_label": label_of(form.batch, replace(filters, cause="")),
        "picked": filters.any,
        "hidden": list(QueryDict(filters.query()).items()),
        "address": reverse("collection_reread", args=[name]),
        "back": f"{reverse('collection_cards', args=[name])}?{filters.query(cards='')}",
    }
    if means is None:
        return context
    costs = [queries.expected_cost(batch, means, number) for (batch, _own), number in plan.ready]
    total = None if None in costs else sum((cost for cost in costs if cost is not None), Decimal(0))
    engine = means.engine
    return context | {
        "means": means,
        "asked": collections.fields(plan.batches),
        "host": urlsplit(engine.address).hostname or "",
        "model": "" if engine.kind == Engine.Kind.LOCAL else means.model or engine.model,
        "cost": progress.money(total, engine.currency) if total else "",
        "free": total == 0,
    }


def _start(request: SignedInRequest, name: str, plan: _Plan, means: queries.Means) -> HttpResponse:
    started, held = [], list(plan.held)
    for (batch, filters), _number in plan.ready:
        try:
            started.append(rereadings.start(batch, request.user, grid.narrowed(batch, filters), means).total)
        except rereadings.CannotReadAgain as error:
            held.append((batch, error.message))
    for batch, said in held[:5]:
        messages.warning(request, f"{batch.name}: {said}")
    if len(held) > 5:
        more = ngettext("%(n)s more batch stays as it is.", "%(n)s more batches stay as they are.", len(held) - 5)
        messages.warning(request, more % {"n": len(held) - 5})
    if started:
        said = ngettext("%(n)s card is read again.", "%(n)s cards are read again.", sum(started))
        messages.success(request, said % {"n": sum(started)})
    elif not held:
        messages.warning(request, _("There is no card here that was read or could not be read."))
    return redirect("collection_cards", name)
