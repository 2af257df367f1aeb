"""The pages on which somebody makes an account of their own."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from cardocr_site.accounts import invitations, joining
from cardocr_site.accounts.models import User

BACKEND = "cardocr_site.accounts.backends.SlowingBackend"


class AccountForm(forms.Form):
    """What an account of one's own needs. Whether it is fit for one is found out by joining.py."""

    username = forms.CharField(label=gettext_lazy("User name"), max_length=150)
    email = forms.CharField(label=gettext_lazy("E-mail address"), max_length=254, widget=forms.EmailInput)
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=joining.LONGEST_PASSWORD,
        strip=False,
        widget=forms.PasswordInput,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "in"
        self.fields["username"].widget.attrs |= {
            "autocomplete": "username",
            "autocapitalize": "none",
            "spellcheck": "false",
        }
        self.fields["email"].widget.attrs |= {"autocomplete": "email"}
        self.fields["password"].widget.attrs |= {"autocomplete": "new-password"}

    def refuse(self, unfit: joining.Unfit) -> None:
        for name, sentences in unfit.problems.items():
            for sentence in sentences:
                self.add_error(name if name in self.fields else None, sentence)

    def mark(self) -> None:
        """So that what is wrong is said with its input."""
        for name in self.errors:
            if name in self.fields:
                self.fields[name].widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"id_{name}_error"}


class InvitedForm(AccountForm):
    email = forms.EmailField(label=gettext_lazy("E-mail address"), max_length=254, required=False)


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    """Only where the site lets people do that; the same as POST /api/v1/auth/register."""
    if not settings.SELF_REGISTRATION:
        raise Http404(_("Accounts are made by an administrator here."))
    form = AccountForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            user = joining.register(**form.cleaned_data)
        except joining.Unfit as unfit:
            form.refuse(unfit)
        else:
            return let_in(request, user)
    form.mark()
    return render(request, "registration/register.html", {"form": form}, status=422 if form.is_bound else 200)


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """To look at the page uses nothing up: programs that show what is behind a link do that, too."""
    try:
        invited = invitations.find(token)
        form = InvitedForm(request.POST if request.method == "POST" else None, initial={"email": invited.email})
        if form.is_valid():
            return let_in(request, invitations.accept(token, **form.cleaned_data))
    except invitations.Gone:
        return render(request, "registration/invitation_gone.html", status=404)
    except joining.Unfit as unfit:
        form.refuse(unfit)
    form.mark()
    context = {"form": form, "invited": invited, "by_mail": bool(settings.EMAIL_URL)}
    return render(request, "registration/invitation.html", context, status=422 if form.is_bound else 200)


def let_in(request: HttpRequest, user: User) -> HttpResponse:
    """Signed in at once: name and password were typed this moment."""
    login(request, user, backend=BACKEND)
    return redirect("home")
