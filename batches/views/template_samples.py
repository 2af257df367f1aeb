"""The sample scan of a template; the template's own pages know nothing of batches and cards."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from batches.actions import template_samples as actions
from batches.queries import template_samples as queries
from batches.queries.asked import whole_number
from cardocr_site.accounts.requests import SignedInRequest
from templates_app.models import FieldTemplate


@require_POST
@login_required
def template_sample(request: SignedInRequest, pk: int) -> HttpResponse:
    """Let the template show this card from now on, to all who may see its batch."""
    template = get_object_or_404(FieldTemplate.objects.editable_by(request.user), pk=pk)
    card = whole_number(request.POST.get("card")) or 0
    actions.keep(template, get_object_or_404(queries.seen(request.user), pk=card))
    messages.success(request, _("This scan is shown beside the fields from now on."))
    return redirect(reverse("template_detail", args=[pk]) + "?beside=sample")
