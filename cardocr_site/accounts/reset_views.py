"""Forgotten passwords: asking for a letter, and the page behind a link."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.views import INTERNAL_RESET_SESSION_TOKEN
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from cardocr_site.accounts import resets


class ForgottenForm(forms.Form):
    email = forms.EmailField(label=gettext_lazy("E-mail address"), max_length=254)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs |= {"class": "in", "autocomplete": "email"}
        if self.errors:
            self.fields["email"].widget.attrs |= {"aria-invalid": "true", "aria-describedby": "id_email_error"}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def password_forgotten(request: HttpRequest) -> HttpResponse:
    """The answer is the same whether somebody has the address or not."""
    if not settings.EMAIL_URL:
        return render(request, "registration/password_forgotten.html")
    form = ForgottenForm(request.POST if request.method == "POST" else None)
    sent = form.is_valid()
    if sent:
        resets.ask(form.cleaned_data["email"])
    context = {"form": form, "sent": sent}
    status = 422 if form.is_bound and not sent else 200
    return render(request, "registration/password_forgotten.html", context, status=status)


class ResetView(views.PasswordResetConfirmView):
    """Django's: it takes the token out of the address into the session before it shows the page."""

    token_generator = resets.tokens
    template_name = "registration/reset.html"

    def form_valid(self, form: Any) -> HttpResponse:
        token = self.request.session.pop(INTERNAL_RESET_SESSION_TOKEN)
        try:
            resets.use(form.user, token, form.cleaned_data["new_password1"])
        except resets.Gone:
            self.validlink = False
            return self.render_to_response(self.get_context_data())
        messages.success(self.request, _("Your password has been set: sign in with it."))
        return redirect("login")

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        form = context.get("form")
        status = 200 if form is None or not form.errors else 422
        return super().render_to_response(context, status=status if self.validlink else 404, **kwargs)
