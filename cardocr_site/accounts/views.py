from typing import Any

from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, views
from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from cardocr_site.accounts import first
from cardocr_site.accounts.forms import SignInForm


class SignInView(views.LoginView):
    form_class = SignInForm

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        if form.cleaned_data["stay"]:
            self.request.session.set_expiry(30 * 24 * 3600)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


class ChangePasswordView(views.PasswordChangeView):
    success_url = reverse_lazy("home")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        form.user.must_change_password = False
        response = super().form_valid(form)  # saves the user
        if form.user.get_username() == first.NAME:
            first.password_file().unlink(missing_ok=True)
        messages.success(self.request, _("Your password has been changed."))
        return response

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


@require_safe
def password_forgotten(request: HttpRequest) -> HttpResponse:
    return render(request, "registration/password_forgotten.html")


def admin_login(request: HttpRequest) -> HttpResponse:
    """The admin has no door of its own: one sign-in, one slow-down."""
    if request.user.is_authenticated:
        raise PermissionDenied(_("The administration is for staff. You are signed in, but not as staff."))
    target = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index")
    return redirect(f"{reverse('login')}?{urlencode({REDIRECT_FIELD_NAME: target})}")
