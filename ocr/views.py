"""What the profile page sends of engines. A key goes in and never comes out."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from cardocr_site.accounts.requests import SignedInRequest
from ocr import people
from ocr.models import Engine


@require_POST
@login_required
def profile_engine(request: SignedInRequest) -> HttpResponse:
    """Which engine and model new batches begin with."""
    wanted = request.POST.get("engine", "")
    engines = Engine.objects.filter(enabled=True)
    engine = engines.filter(pk=wanted).first() if wanted.isascii() and wanted.isdecimal() and len(wanted) < 19 else None
    if wanted and engine is None:
        messages.error(request, _("There is no such engine, or it is not in use."))
        return redirect("profile")
    try:
        people.prefer(request.user, engine, request.POST.get("model", ""))
    except ValueError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Your new batches begin with that."))
    return redirect("profile")


@require_POST
@login_required
@sensitive_post_parameters("key")
def profile_key(request: SignedInRequest, engine_id: int) -> HttpResponse:
    """Set, replace or remove a key of one's own."""
    if "remove" in request.POST:
        people.remove_key(request.user, engine_id)
        messages.success(request, _("Your key has been removed."))
        return redirect("profile")
    engine = get_object_or_404(Engine, pk=engine_id, enabled=True)
    try:
        people.set_key(request.user, engine, request.POST.get("key", ""))
    except ValueError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("Your key for %(engine)s is stored.") % {"engine": engine.name})
    return redirect("profile")
