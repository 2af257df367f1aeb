"""The one gate before a batch is read: everything that is about to happen, on one page."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from batches.actions import runs, sheets
from batches.forms import BudgetForm
from batches.intake import looking
from batches.models import Batch, Card
from batches.queries import besides, budgets, expected, house, preparing, trying, uploads
from batches.states import CardStatus
from batches.views import duplicates
from batches.views.results import may
from cardocr_site.accounts.requests import SignedInRequest
from ocr.fields import FieldSpec
from ocr.models import Engine

FIRST_SCANS = 6


@require_safe
@login_required
@never_cache
@vary_on_headers("HX-Request", "HX-Target")
def batch_confirm(request: SignedInRequest, pk: int) -> HttpResponse:
    """The last look at a draft. While cards are tried, htmx asks how it went: no answer as long as they are read."""
    batches = Batch.objects.visible_to(request.user)
    batch = get_object_or_404(batches.select_related("owner", "engine", "template_version__template"), pk=pk)
    if not batch.is_draft:
        return redirect("batch_detail", pk=pk)
    trial = trying.of(batch)
    if request.htmx.target == "tried" and trial is not None and trial.going_on:
        return HttpResponse(status=204)
    specs = batch.specs()
    before = duplicates.read_before(request.user, batch)
    unreadable = batch.cards.exclude(error="").count()
    context = {
        "batch": batch,
        **may(request, batch),
        "specs": specs,
        "inactive": len(batch.fields) - len(specs),
        "besides": besides.told(batch),
        "problems": _problems(batch, specs),
        "unreadable": unreadable,
        **preparing.told(batch),
        **_sheets(batch),
        "unpaired": bool(batch.option("pairing")) and batch.total > 1 and not batch.cards.exclude(back=None).exists(),
        "filed": uploads.filed(batch),
        **(_way(batch, batch.engine) if batch.engine else {}),
        **(_money(batch, batch.engine, before["to_read"], before["unread"]) if batch.engine else {}),
        **before,
        "trial": trial,
        "mark": trying.mark(batch),
        "number": trying.CARDS,
        "cards": _first_scans(batch),
    }
    return render(request, "batches/batch_confirm.html", context)


def _problems(batch: Batch, specs: list[FieldSpec]) -> list[tuple[str, str]]:
    """Why the batch cannot start: a sentence, and the page that mends it."""
    scans, fields = reverse("batch_upload", args=[batch.pk]), reverse("batch_fields", args=[batch.pk])
    problems = []
    if uploads.is_opening(batch):
        problems.append((_("Files are still being opened."), f"{scans}#files"))
    elif not batch.total:
        problems.append((_("There are no scans yet."), scans))
    elif not batch.pending:
        nothing = _("No card is chosen to be read.") if batch.not_chosen else _("Every scan is blank.")
        problems.append((nothing, f"{scans}#scans"))
    if not batch.fields:
        problems.append((_("No field is named yet."), fields))
    elif not specs:
        problems.append((_("No field is switched on."), fields))
    if batch.engine is None or not batch.engine.enabled:
        problems.append((_("No engine is chosen that could read the cards."), fields))
    elif refusal := besides.refusal(batch.engine, batch.options):
        problems.append((refusal, fields))
    elif refusal := house.refusal(batch, batch.engine):
        problems.append((refusal, f"{fields}#engine"))
    elif used_up := budgets.used_up(batch, batch.engine):
        problems.append((used_up, reverse("batch_budget", args=[batch.pk])))
    return problems


def _first_scans(batch: Batch) -> QuerySet[Card]:
    """Of those that are read."""
    shown = batch.cards.filter(status=CardStatus.PENDING, prepared_at__isnull=False, error="")
    return shown.order_by("position", "pk")[:FIRST_SCANS]


def _sheets(batch: Batch) -> dict[str, int]:
    """Pages that would be read as one card though several may lie on them, and those that nobody has looked at."""
    if not batch.option("sheets"):
        return {}
    return {"uncut": sheets.several(batch).count(), "unlooked": looking.due(batch.pk).count()}


def _way(batch: Batch, engine: Engine) -> dict[str, Any]:
    """Where scans go."""
    version = batch.template_version
    return {
        "host": urlsplit(engine.address).hostname,
        "proxy": expected.proxy(engine),
        "pixels": batch.option("max_image_px"),
        "stay_inside": batch.option("stay_inside"),
        "mark_taken_off": bool(version and version.template.stay_inside) and not batch.option("stay_inside"),
    }


def _money(batch: Batch, engine: Engine, to_read: int, unread: int) -> dict[str, Any]:
    """What it will take and cost: all cards, those that were not read before, and the first of them."""
    return {
        "free": engine.prices.free,
        "outlay": expected.outlay(batch, engine, to_read),
        "outlay_unread": expected.outlay(batch, engine, unread),
        "pilot": runs.PILOT if to_read > runs.PILOT else 0,
        "pilot_outlay": expected.outlay(batch, engine, min(runs.PILOT, to_read)),
        "price": expected.price(engine),
        "month": expected.month(batch, engine),
        "currency": batch.currency or engine.currency,
        "budget_form": BudgetForm(batch),
    }
