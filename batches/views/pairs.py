"""Front and back: how a draft's scans would pair, before it is done, and the pairs that there are."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from batches.actions import pairs
from batches.actions.drafts import Refused
from batches.models import Batch
from batches.queries.asked import whole_number
from batches.views.results import editable, may
from cardocr_site.accounts.requests import SignedInRequest

SHOWN = 60  # pairs, and odd ones, of a preview
PER_PAGE = 60
LONGEST = 40  # characters of an ending


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def batch_pairs(request: SignedInRequest, pk: int) -> HttpResponse:
    """The preview of what is chosen; sent with POST the scans are paired."""
    batch = editable(request, pk)
    if not batch.is_draft:
        return redirect("batch_detail", pk)
    data = request.POST if request.method == "POST" else request.GET
    chosen = _chosen(batch, data)
    if request.method == "POST":
        try:
            number = pairs.apply(batch, *chosen)
        except Refused as refused:
            messages.error(request, str(refused))
        else:
            said = ngettext("%(n)s pair is one card now.", "%(n)s pairs are one card each now.", number)
            messages.success(request, said % {"n": number})
        return redirect("batch_pairs", pk)
    return render(
        request, "batches/batch_pairs.html", _context(batch, chosen, request.GET.get("page")) | may(request, batch)
    )


def _chosen(batch: Batch, data: QueryDict) -> tuple[pairs.How, str, str]:
    """Where nothing is said yet: by the endings of the names, if those tell pairs."""
    front, back = (data.get(name, "").replace("\x00", "")[:LONGEST] for name in ("front", "back"))
    if "how" in data:
        how: pairs.How = "names" if data["how"] == "names" else "order"
        if how == "order" or front or back:
            return how, front, back
    said = batch.option("pairing") or {}
    if "how" not in data and said:
        return ("names", said.get("front", ""), said.get("back", "")) if said["how"] == "names" else ("order", "", "")
    found = pairs.suggested(batch)
    if "how" in data:
        return "names", *(found or pairs.SUFFIXES[0])
    return ("names", *found) if found else ("order", "", "")


def _context(batch: Batch, chosen: tuple[pairs.How, str, str], page: str | None) -> dict[str, Any]:
    how, front, back = chosen
    plan = pairs.plan(batch, how, front, back)
    paired = batch.cards.exclude(back=None).select_related("back").order_by("position", "pk")
    return {
        "batch": batch,
        "how": how,
        "front": front,
        "back": back,
        "number": len(plan.pairs),
        "pairs": plan.pairs[:SHOWN],
        "more": max(0, len(plan.pairs) - SHOWN),
        "odd": plan.odd[:SHOWN],
        "odd_number": len(plan.odd),
        "unprepared": batch.cards.filter(prepared_at=None).exists(),
        "page": Paginator(paired, PER_PAGE).get_page(page),
        "suffixes": [f"{one} {other}" for one, other in pairs.SUFFIXES],
    }


@require_POST
@login_required
def pairs_part(request: SignedInRequest, pk: int) -> HttpResponse:
    """Two cards of one pair again, or of all of them."""
    batch = editable(request, pk)
    named = request.POST.get("card", "")
    card = batch.cards.filter(pk=whole_number(named) or 0).first()
    try:
        number = 0 if named and card is None else pairs.part(batch, card)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        said = ngettext("%(n)s pair is two cards again.", "%(n)s pairs are two cards each again.", number)
        messages.success(request, said % {"n": number})
    return redirect("batch_pairs", pk)
