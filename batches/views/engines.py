"""What people ask of an engine before a batch is read with it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from cardocr_site.accounts.requests import SignedInRequest
from ocr import offers
from ocr.models import Engine


@require_GET
@login_required
def engine_models(request: SignedInRequest, pk: int) -> HttpResponse:
    """The models of an endpoint, to choose from; names alone, never its address. Asked of it as this is."""
    engines = Engine.objects.exclude(kind=Engine.Kind.LOCAL)
    if not request.user.is_administrator:
        engines = engines.filter(enabled=True)
    engine = get_object_or_404(engines, pk=pk)
    context = {"engine": engine, "offer": offers.of(engine)}
    return render(request, "batches/_engine_models.html", context)
