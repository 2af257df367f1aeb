"""Finding a batch or a card by a piece of text."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from batches.queries import search, words
from batches.queries.asked import whole_number
from cardocr_site.accounts.requests import SignedInRequest


@require_safe
@login_required
@never_cache
def site_search(request: SignedInRequest) -> HttpResponse:
    text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    page = whole_number(request.GET.get("page"), digits=4) or 1
    found = search.look(request.user, text, page) if len(text) >= search.SHORTEST else None
    inside = "" if text.startswith(words.INSIDE) else words.INSIDE + text
    context = {"text": text, "found": found, "page": page, "shortest": search.SHORTEST, "inside": inside}
    return render(request, "batches/site_search.html", context)
