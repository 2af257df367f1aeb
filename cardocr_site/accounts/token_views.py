"""Tokens for scripts on the profile page: made, shown once, revoked."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from cardocr_site.accounts import tokens
from cardocr_site.accounts.models import AccessToken
from cardocr_site.accounts.requests import SignedInRequest

DAYS = (30, 90, 365)


class TokenForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("What for"), max_length=100)
    scope = forms.ChoiceField(label=gettext_lazy("It may"), choices=AccessToken.Scope.choices)
    days = forms.TypedChoiceField(
        label=gettext_lazy("Days that it holds"), choices=[(days, days) for days in DAYS], coerce=int, initial=DAYS[-1]
    )

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data, auto_id="token_%s")
        for name, field in self.fields.items():
            field.widget.attrs["class"] = "in"
            if self.is_bound and name in self.errors:
                field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"token_{name}_error"}


@require_POST
@login_required
@never_cache
def token_make(request: SignedInRequest) -> HttpResponse:
    """The answer shows the token; nothing shows it again."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return render(request, "registration/token_form.html", {"form": form}, status=422)
    made, token = tokens.make(
        request.user, form.cleaned_data["name"], form.cleaned_data["scope"], form.cleaned_data["days"]
    )
    return render(request, "registration/token_made.html", {"made": made, "token": token})


@require_POST
@login_required
def token_revoke(request: SignedInRequest, token_id: int) -> HttpResponse:
    """One's own; of others' nothing is known here."""
    if tokens.of_scripts(request.user).filter(pk=token_id).delete()[0]:
        messages.success(request, _("The token has been revoked: nothing gets in with it any more."))
    else:
        messages.error(request, _("There is no such token of yours."))
    return redirect("profile")
