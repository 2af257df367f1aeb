"""Export settings under a name: kept, used in any batch, given up."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from batches import exports
from batches.exports import options as choices
from batches.models import Batch, ExportSettings
from batches.views.results import visible
from cardocr_site.accounts.requests import SignedInRequest

LONGEST = ExportSettings._meta.get_field("query").max_length or 0


@require_POST
@login_required
def export_settings_save(request: SignedInRequest, pk: int) -> HttpResponse:
    """One's own of the same name are replaced."""
    batch = visible(request, pk)
    name = request.POST.get("settings-name", "").replace("\x00", "").strip()[:80]
    query = _checked(request.POST.get("settings", ""), batch)
    page = f"{reverse('batch_export', args=[batch.pk])}?{query}"
    if not name:
        messages.error(request, _("Give these settings a name, then save them."))
    elif len(query) > LONGEST:
        messages.error(request, _("These are more columns than can be saved. Take some away."))
    else:
        shared = "settings-shared" in request.POST
        ExportSettings.objects.update_or_create(by=request.user, name=name, defaults={"query": query, "shared": shared})
        messages.success(request, _("Saved as “%(name)s”.") % {"name": name})
    return redirect(page)


@require_POST
@login_required
def export_settings_delete(request: SignedInRequest, pk: int, settings_pk: int) -> HttpResponse:
    """They are given back by the message: one click saves them again."""
    batch = visible(request, pk)
    kept = get_object_or_404(ExportSettings.objects.editable_by(request.user), pk=settings_pk)
    kept.delete()
    messages.success(
        request, _("“%(name)s” is removed. The form below still holds its settings.") % {"name": kept.name}
    )
    return redirect(f"{reverse('batch_export', args=[batch.pk])}?{kept.query}")


def _checked(text: str, batch: Batch) -> str:
    """Only what the page itself would have written."""
    query = QueryDict(text[: 2 * LONGEST])
    key = query.get("format", "csv")
    return choices.settings_of(choices.from_query(query, batch), key if key in exports.FORMATS else "csv")
