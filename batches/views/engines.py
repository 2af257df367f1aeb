"""What people ask of an engine before a batch is read with it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from batches.actions import engines as actions
from cardocr_site.accounts.requests import SignedInRequest
from ocr import offers
from ocr.models import Engine

LONGEST_NAME = 200  # of a model


@require_GET
@login_required
def engine_models(request: SignedInRequest, pk: int) -> HttpResponse:
    """The models of an endpoint, to choose from; names alone, never its address. Asked with one's own key, if any."""
    engines = Engine.objects.exclude(kind=Engine.Kind.LOCAL)
    if not request.user.is_administrator:
        engines = engines.filter(enabled=True)
    engine = get_object_or_404(engines, pk=pk)
    context = {"engine": engine, "offer": offers.of(engine, request.user)}
    return render(request, "batches/_engine_models.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def engine_test(request: SignedInRequest, pk: int) -> HttpResponse:
    """The panel beside an engine's form in the administration; a POST asks for a test. Administrators only."""
    if not request.user.is_administrator:
        raise PermissionDenied
    engine = get_object_or_404(Engine, pk=pk)
    if request.method != "POST":
        return render(request, "admin/ocr/engine/_test.html", {"original": engine})
    model = request.POST.get("model", "").replace("\x00", "").strip()
    if len(model) > LONGEST_NAME or not model.isprintable():
        messages.error(request, _("This is not the name of a model."))
    elif not actions.ask_test(engine, model, request.user, own_key="own_key" in request.POST):
        messages.info(request, _("This engine is being tested already."))
    return redirect(f"{reverse('admin:ocr_engine_change', args=[pk])}#test")
