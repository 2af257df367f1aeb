"""The one gate before a batch is read: everything that is about to happen, on one page."""

import os
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from batches import progress
from batches.models import Batch
from batches.queries import besides
from batches.views import duplicates
from cardocr_site.accounts.requests import SignedInRequest
from ocr.fields import FieldSpec
from ocr.models import Engine

LOCAL_CARDS_PER_SECOND = 0.5  # by one core, typed cards at full resolution
FIRST_SCANS = 6


@require_safe
@login_required
def batch_confirm(request: SignedInRequest, pk: int) -> HttpResponse:
    """The last look at a draft."""
    batches = Batch.objects.visible_to(request.user)
    batch = get_object_or_404(batches.select_related("owner", "engine", "template_version__template"), pk=pk)
    if not batch.is_draft:
        return redirect("batch_detail", pk=pk)
    specs = batch.specs()
    unreadable = batch.cards.exclude(error="").count()
    context = {
        "batch": batch,
        "can_edit": Batch.objects.editable_by(request.user).filter(pk=pk).exists(),
        "specs": specs,
        "inactive": len(batch.fields) - len(specs),
        "besides": besides.told(batch),
        "problems": _problems(batch, specs),
        "unreadable": unreadable,
        "host": urlsplit(batch.engine.address).hostname if batch.engine else "",
        "time": _expected_time(batch),
        **duplicates.read_before(request.user, batch),
        "cards": batch.cards.filter(prepared_at__isnull=False, error="").order_by("position", "pk")[:FIRST_SCANS],
    }
    return render(request, "batches/batch_confirm.html", context)


def _problems(batch: Batch, specs: list[FieldSpec]) -> list[tuple[str, str]]:
    """Why the batch cannot start: a sentence, and the page that mends it."""
    scans, fields = reverse("batch_upload", args=[batch.pk]), reverse("batch_fields", args=[batch.pk])
    problems = []
    if not batch.total:
        problems.append((_("There are no scans yet."), scans))
    if not batch.fields:
        problems.append((_("No field is named yet."), fields))
    elif not specs:
        problems.append((_("No field is switched on."), fields))
    if batch.engine is None or not batch.engine.enabled:
        problems.append((_("No engine is chosen that could read the cards."), fields))
    elif refusal := besides.refusal(batch.engine, batch.options):
        problems.append((refusal, fields))
    return problems


def _expected_time(batch: Batch) -> str:
    """In words; nothing where nothing is known of the engine."""
    engine = batch.engine
    if engine is None or not batch.total:
        return ""
    limits = [settings.EXTRACTION_THREADS, engine.max_in_flight, batch.option("concurrency")]
    if engine.kind == Engine.Kind.LOCAL:
        limits.append(os.cpu_count())
    at_once = max(1, min(limit for limit in limits if limit))
    seconds = engine.seconds_per_card
    if seconds is None and engine.kind == Engine.Kind.LOCAL:
        seconds = 1 / LOCAL_CARDS_PER_SECOND
    return progress.time_in_words(seconds * batch.total / at_once) if seconds else ""
