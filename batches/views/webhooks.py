"""Webhooks on pages: made, switched, removed; what each was told, and once more."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from batches.actions import webhooks as actions
from batches.forms import WebhookForm
from batches.models import Delivery, Webhook
from batches.queries import keyset
from cardocr_site.accounts.requests import SignedInRequest

# A pill's colour, and a picture.
LOOKS = {
    Delivery.Status.WAITING: ("run", "clock"),
    Delivery.Status.DELIVERED: ("ok", "check"),
    Delivery.Status.GIVEN_UP: ("bad", "alert"),
    Delivery.Status.WITHHELD: ("plain", "ban"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def webhook_list(request: SignedInRequest) -> HttpResponse:
    """All that one may see, and a form for another, which is answered with its secret. Nothing else shows that."""
    form = WebhookForm(request.POST or None)
    if request.method != "POST":
        return _list(request, form)
    if not request.user.sees:
        raise PermissionDenied(_("Your role sees no batches."))
    if form.is_valid():
        try:
            made, secret = actions.add(request.user, **form.cleaned_data)
        except actions.Unusable as error:
            form.add_error(error.name, str(error))
        else:
            return _list(request, WebhookForm(), made=made, secret=secret)
    return _list(request, form, status=422)


def _list(request: SignedInRequest, form: WebhookForm, *, status: int = 200, **more: Any) -> HttpResponse:
    hooks = Webhook.objects.visible_to(request.user).select_related("owner")
    return render(request, "batches/webhook_list.html", {"form": form, "hooks": hooks, **more}, status=status)


def _found(request: SignedInRequest, pk: int) -> Webhook:
    return get_object_or_404(Webhook.objects.visible_to(request.user).select_related("owner"), pk=pk)


@require_safe
@login_required
@never_cache
def webhook_detail(request: SignedInRequest, webhook_pk: int) -> HttpResponse:
    """What it was told, newest first, and what came of it."""
    hook = _found(request, webhook_pk)
    page = keyset.page(Delivery.objects.filter(webhook=hook), request.GET.get("before", ""))
    entries = [(one, LOOKS[Delivery.Status(one.status)]) for one in page.entries]
    context = {"hook": hook, "entries": entries, "older": page.older, "newest": "before" not in request.GET}
    return render(request, "batches/webhook_detail.html", context)


@require_POST
@login_required
def webhook_switch(request: SignedInRequest, webhook_pk: int) -> HttpResponse:
    hook = _found(request, webhook_pk)
    actions.switch(hook, request.user, request.POST.get("enabled") == "1")
    messages.success(request, _("It is switched on.") if hook.enabled else _("It is switched off."))
    return redirect("webhook_detail", hook.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def webhook_delete(request: SignedInRequest, webhook_pk: int) -> HttpResponse:
    """Asks first."""
    hook = _found(request, webhook_pk)
    if request.method == "POST":
        actions.remove(hook, request.user)
        messages.success(request, _("The webhook is removed."))
        return redirect("webhook_list")
    return render(request, "batches/webhook_delete.html", {"hook": hook})


@require_POST
@login_required
def delivery_replay(request: SignedInRequest, webhook_pk: int, delivery_pk: int) -> HttpResponse:
    hook = _found(request, webhook_pk)
    actions.replay(get_object_or_404(Delivery, webhook=hook, pk=delivery_pk), request.user)
    messages.success(request, _("It is sent again in a few seconds."))
    return redirect("webhook_detail", hook.pk)
