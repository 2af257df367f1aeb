"""Several readings of a card: a person decides which holds."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from batches.actions import candidates
from batches.actions.cards import EditConflict
from batches.changes import TransitionRefused
from batches.queries import grid
from batches.views.cards import number, page
from batches.views.results import card_of, correctable
from cardocr_site.accounts.requests import SignedInRequest


@require_POST
@login_required
def reading_decide(request: SignedInRequest, pk: int, card_pk: int, result_pk: int) -> HttpResponse:
    """Take another reading, or some of its values, or keep what holds."""
    batch = correctable(request, pk)
    card = card_of(batch, card_pk)
    filters = grid.Filters.from_query(request.GET, batch)
    version = number(request.POST.get("version") or request.GET.get("version"))
    query = filters.query()
    back = reverse("card_detail", args=[pk, card_pk]) + (f"?{query}" if query else "")
    try:
        if request.POST.get("decision") == "accept":
            keys = request.POST.getlist("take") if "version" in request.POST else None
            candidates.accept(card, request.user, version, result_pk, keys)
            messages.success(request, _taken(keys))
        else:
            candidates.reject(card, version, result_pk, request.user)
            messages.success(request, _taken([]))
    except EditConflict as conflict:
        messages.error(request, _("Somebody else has just changed this card. Look at both readings, then decide."))
        return page(request, batch, card_of(batch, conflict.current.pk), filters, status=409)
    except candidates.NoSuchReading:
        messages.error(request, _("Somebody has decided about that reading already."))
    except TransitionRefused:
        messages.error(request, _("This card cannot be changed now. The page shows how it stands."))
    return redirect(back)


def _taken(keys: list[str] | None) -> str:
    if keys == []:
        return _("Kept as it was. The other reading stands under “Other readings”.")
    return _("Taken: what held before is kept under “Other readings”.")
