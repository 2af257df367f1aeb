"""The scans of a card besides its first: the back, what was replaced; and another one in its place."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from batches import pictures
from batches.actions import replacing
from batches.intake.receiving import Refused
from batches.models import Batch, CardScan
from batches.views.results import card_of, editable, may
from batches.views.uploads import CODES
from cardocr_site.accounts.requests import SignedInRequest


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def scan_replace(request: SignedInRequest, pk: int, card_pk: int) -> HttpResponse:
    """A plain form for one file. A draft has it too: its cards have no page of their own."""
    batch = editable(request, pk)
    card = card_of(batch, card_pk)
    back = request.POST.get("side") == "back"
    problem, status = "", 200
    if request.method == "POST":
        files = request.FILES.getlist("file")
        try:
            if not files:
                raise Refused("VALIDATION_ERROR", _("Choose the file first."))
            replacing.replace(card, request.user, files[0].name or "", files[0].chunks(), back=back)
        except Refused as refusal:
            problem, status = refusal.message, CODES.get(refusal.code, 422)
        else:
            messages.success(request, _("The scan is replaced. The old one stays in the history of the card."))
            return redirect("batch_upload", pk) if batch.is_draft else redirect("card_detail", pk, card_pk)
    context = {"batch": batch, "card": card, **may(request, batch), "problem": problem, "back": back}
    return render(request, "batches/scan_replace.html", context, status=status)


@require_safe
@login_required
def scan_image(request: HttpRequest, pk: int, card_pk: int, scan_pk: int, size: str) -> HttpResponseBase:
    """As card_image, for the back of a card or a scan that was replaced."""
    scans = CardScan.objects.filter(card__batch__in=Batch.objects.visible_to(request.user))
    scan = get_object_or_404(scans.select_related("card__batch"), pk=scan_pk, card=card_pk, card__batch=pk)
    return pictures.show(request, scan, size)
