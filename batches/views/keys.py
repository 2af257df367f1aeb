"""Whose key is meant, where somebody reads on a batch that is read with another one than his."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from batches.actions import keys
from batches.models import Batch, Card
from batches.queries.asked import whole_number
from batches.views.results import editable
from cardocr_site.accounts.requests import SignedInRequest
from ocr import people

ACTS = {"batch_resume", "batch_retry", "problems_retry", "card_retry"}
KEPT = {"from", "cause", "turn"}  # what these take beside the key


def meant(request: SignedInRequest) -> str:
    return keys.MINE if request.POST.get("key") == keys.MINE else keys.BATCH


def ask(request: SignedInRequest, batch: Batch, act: str, card: Card | None = None) -> HttpResponse | None:
    """The page that asks; None where there is nothing to ask, or it has been answered."""
    if "key" in request.POST or not keys.differing([batch], request.user):
        return None
    sent = [(name, value) for name in sorted(KEPT) for value in request.POST.getlist(name)]
    query = [("do", act), *([("card", str(card.pk))] if card else []), *sent]
    address = f"{reverse('batch_key', args=[batch.pk])}?{urlencode(query)}"
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)


@dataclass(frozen=True, slots=True)
class Whose:
    """What batches/_whose_key.html says of batches that are read with another key than one's own."""

    people: list[str]
    of_the_house: bool
    has_own: bool

    @property
    def several(self) -> bool:
        return len(self.people) + self.of_the_house > 1


def whose(request: SignedInRequest, batches: Iterable[Batch]) -> Whose | None:
    """None where there is nothing to ask."""
    found = keys.differing(batches, request.user)
    if not found:
        return None
    payers = [keys.frozen(batch) for batch in found]
    people_ = {payer.pk: payer.get_full_name() or payer.username for payer in payers if payer}
    engines = {batch.reader.pk: batch.reader for batch in found if batch.reader}
    has_own = any(people.own_key(request.user, engine) for engine in engines.values())
    return Whose(sorted(people_.values()), None in payers, has_own)


@require_safe
@login_required
@never_cache
def batch_key(request: SignedInRequest, pk: int) -> HttpResponse:
    """With whose key it is read on; the answer does what was wanted."""
    batch = editable(request, pk)
    act, card = request.GET.get("do", ""), whole_number(request.GET.get("card"))
    if act not in ACTS or (act == "card_retry") != (card is not None):
        return redirect("batch_detail", pk)
    context = {
        "batch": batch,
        "address": reverse(act, args=[pk] if card is None else [pk, card]),
        "hidden": [(name, value) for name in sorted(KEPT) for value in request.GET.getlist(name)],
        "engine": batch.reader,
        "key_of": keys.frozen(batch),
        "has_own": batch.reader is not None and people.own_key(request.user, batch.reader) is not None,
    }
    return render(request, "batches/batch_key.html", context)
