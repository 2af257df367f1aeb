from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views import i18n
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from cardocr_site.accounts import first, remote_user, tokens
from cardocr_site.accounts.forms import ProfileForm, SignInForm
from cardocr_site.accounts.models import User
from cardocr_site.accounts.requests import SignedInRequest
from cardocr_site.accounts.token_views import TokenForm


class SignInView(views.LoginView):
    form_class = SignInForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            oidc=settings.OIDC_URL and settings.OIDC_NAME,
            vouched_for=remote_user.named(self.request),
            go_on=self.get_success_url(),
            registration=settings.SELF_REGISTRATION,
            **kwargs,
        )

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        if form.cleaned_data["stay"]:
            self.request.session.set_expiry(30 * 24 * 3600)
        _speak(response, form.get_user().language)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


class ChangePasswordView(views.PasswordChangeView):
    success_url = reverse_lazy("home")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user: Any = request.user
        if user.is_authenticated and user.source:
            raise PermissionDenied(_("You have no password here: who you are is said from outside. Change it there."))
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        form.user.must_change_password = False
        response = super().form_valid(form)  # saves the user
        if form.user.get_username() == first.NAME:
            first.password_file().unlink(missing_ok=True)
        messages.success(self.request, _("Your password has been changed."))
        return response

    def form_invalid(self, form: PasswordChangeForm) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form), status=422)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def profile(request: SignedInRequest) -> HttpResponse:
    """What one is called, and how the pages look, sound and listen to keys."""
    if request.method != "POST":
        return _profile(request, ProfileForm(instance=request.user))
    # An instance of its own: a refused name is not shown as one's own.
    form = ProfileForm(request.POST, instance=User.objects.get(pk=request.user.pk))
    if not form.is_valid():
        return _profile(request, form, status=422)
    saved = form.save()
    with override(saved.language):
        messages.success(request, _("Your profile has been saved."))
    response = redirect("profile")
    _speak(response, saved.language)
    return response


def _profile(request: SignedInRequest, form: ProfileForm, status: int = 200) -> HttpResponse:
    context = {
        "form": form,
        "tokens": tokens.of_scripts(request.user),
        "token_form": TokenForm(),
        "now": timezone.now(),
    }
    return render(request, "registration/profile.html", context, status=status)


@require_POST
@login_required
def profile_theme(request: SignedInRequest) -> HttpResponse:
    """The menu's switch: the same choice as on the profile page."""
    theme = request.POST.get("theme", "")
    if theme not in User.Theme.values:
        return HttpResponse(status=422)
    User.objects.filter(pk=request.user.pk).update(theme=theme)
    return HttpResponse(status=204)


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Django's, and remembered for whoever is signed in."""
    language = request.POST.get(i18n.LANGUAGE_QUERY_PARAMETER, "")
    if request.user.is_authenticated and language in dict(settings.LANGUAGES):
        User.objects.filter(pk=request.user.pk).update(language=language)
    return i18n.set_language(request)


def _speak(response: HttpResponse, language: str) -> None:
    if language:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=settings.LANGUAGE_COOKIE_AGE,
            path=settings.LANGUAGE_COOKIE_PATH,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            samesite="Lax",
        )


def admin_login(request: HttpRequest) -> HttpResponse:
    """The admin has no door of its own: one sign-in, one slow-down."""
    target = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index")
    if request.user.is_authenticated and request.user.is_staff:
        safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
        return redirect(target if safe else "admin:index")
    if request.user.is_authenticated:
        raise PermissionDenied(_("The administration is for staff. You are signed in, but not as staff."))
    return redirect(f"{reverse('login')}?{urlencode({REDIRECT_FIELD_NAME: target})}")
