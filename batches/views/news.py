"""The bell's list, and the way from each of its entries to what it is about."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from batches import news
from batches.models import Batch, Card, News
from batches.queries import keyset
from batches.queries.asked import whole_number
from cardocr_site.accounts.requests import SignedInRequest


@require_safe
@login_required
@never_cache
def news_list(request: SignedInRequest) -> HttpResponse:
    """What happened to one's batches, to administrators also to the server, newest first."""
    found = News.objects.visible_to(request.user).select_related("batch", "by")
    page = keyset.page(found, request.GET.get("before", ""))
    context = {"entries": page.entries, "older": page.older, "newest": "before" not in request.GET}
    return render(request, "batches/news_list.html", context)


@require_safe
@login_required
@never_cache
def news_bell(request: SignedInRequest) -> HttpResponse:
    """The bell as it stands now. `shows`: a batch whose page one looks at, which says what is told of its reading."""
    pk = whole_number(request.GET.get("shows"))
    batch = None if pk is None else Batch.objects.visible_to(request.user).filter(pk=pk).first()
    if batch is not None and request.method == "GET":
        news.see(request.user, batch=batch)
    return render(request, "_bell.html")


@require_safe
@login_required
@never_cache
def news_open(request: SignedInRequest, news_pk: int) -> HttpResponse:
    """On to the batch, or the card, that it is about. A link, so that it opens in a tab, too."""
    entry = get_object_or_404(News.objects.visible_to(request.user).select_related("batch"), pk=news_pk)
    if request.method == "GET":
        news.see(request.user, pk=entry.pk)
    return redirect(_about(entry))


def _about(entry: News) -> str:
    if entry.batch is None:
        return reverse("trash_list" if entry.kind == News.Kind.DISK else "batch_list")
    if entry.kind != News.Kind.FLAGGED:
        return reverse("batch_detail", args=[entry.batch_id])
    to_review = reverse("batch_review", args=[entry.batch_id])
    card = entry.what.get("card") if entry.what.get("times", 1) == 1 else None
    if card is not None and Card.objects.filter(batch=entry.batch_id, pk=card).exists():
        return f"{to_review}?queue=&card={card}"
    return to_review  # flagged ones come first there


@require_POST
@login_required
def news_seen(request: SignedInRequest) -> HttpResponse:
    """All of them."""
    news.see(request.user)
    return redirect("news_list")
