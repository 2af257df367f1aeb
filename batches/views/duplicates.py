"""Scans of a draft that were read before: how many, where, and the list of them."""

from collections import Counter
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from batches.drain import duplicates
from batches.models import Batch, CardResult
from batches.queries import trying
from batches.views.results import may
from cardocr_site.accounts.models import User
from cardocr_site.accounts.requests import SignedInRequest

NAMED = 3  # batches that the confirm page names
SHOWN = 500  # cards in the list


def read_before(user: User, batch: Batch) -> dict[str, Any]:
    """What the confirm page says of them. Batches that this person may not see are counted, not named."""
    tried = trying.kept(batch, batch.engine)
    earlier = duplicates.found(batch, (scan for scan in duplicates.scans(batch) if scan.card_id not in tried))
    numbers = Counter(one.batch_id for one in earlier.values())
    visible = Batch.objects.visible_to(user).in_bulk([pk for pk, _number in numbers.most_common(NAMED)])
    return {
        "read_before": len(earlier),
        "tried": len(tried),  # just now, with what holds: they are kept, whatever becomes of the others
        "to_read": batch.pending - len(tried),
        "unread": batch.pending - len(tried) - len(earlier),
        "read_in": list(visible.values()),
        "read_in_more": len(numbers) - len(visible),
        "on_duplicate": batch.option("on_duplicate"),
    }


@require_safe
@login_required
@never_cache
def batch_read_before(request: SignedInRequest, pk: int) -> HttpResponse:
    """Which scans of a draft were read before, and where."""
    batch = get_object_or_404(Batch.objects.visible_to(request.user).select_related("owner", "engine"), pk=pk)
    if not batch.is_draft:
        return redirect("batch_detail", pk)
    earlier = duplicates.found(batch, duplicates.scans(batch))
    ids = list(earlier)[:SHOWN]
    cards = batch.cards.in_bulk(ids)
    results = CardResult.objects.select_related("card__batch", "card__reviewed_by")
    readings = results.in_bulk([earlier[card_id].result_id for card_id in ids])
    seen = set(
        Batch.objects.visible_to(request.user)
        .filter(pk__in={e.batch_id for e in earlier.values()})
        .values_list("pk", flat=True)
    )
    rows = [(cards[card_id], readings[earlier[card_id].result_id]) for card_id in ids]
    context = {
        "batch": batch,
        **may(request, batch),
        "rows": [(card, reading if earlier[card.pk].batch_id in seen else None) for card, reading in rows],
        "number": len(earlier),
        "more": len(earlier) - len(rows),
    }
    return render(request, "batches/batch_read_before.html", context)
