from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import time_format
from django.utils.translation import gettext, gettext_lazy, ngettext

from cardocr_site.accounts import tries
from cardocr_site.accounts.addresses import client_address


class SignInForm(AuthenticationForm):
    stay = forms.BooleanField(label=gettext_lazy("Stay signed in here"), required=False)

    def clean(self) -> dict[str, Any]:
        closed = self.closed()
        if closed:
            raise closed
        return super().clean()

    def closed(self) -> ValidationError | None:
        account = self.cleaned_data.get("username")
        until = tries.closed_until(account, client_address(self.request)) if account else None
        if until is None:
            return None
        minutes = max(1, round((until - timezone.now()).total_seconds() / 60))
        return ValidationError(
            ngettext(
                "Too many tries with this name. It opens again at %(time)s, in %(minutes)d minute.",
                "Too many tries with this name. It opens again at %(time)s, in %(minutes)d minutes.",
                minutes,
            )
            % {"time": time_format(timezone.localtime(until), "H:i"), "minutes": minutes},
            code="closed",
        )

    def get_invalid_login_error(self) -> ValidationError:
        left = tries.left(self.cleaned_data["username"], client_address(self.request))
        minutes = int(tries.CLOSED_FOR.total_seconds() // 60)
        if not left:
            return self.closed() or ValidationError(gettext("That name and password do not go together."))
        hint = ngettext(
            "Caps lock? After %(left)d more try the name is closed for %(minutes)d minutes.",
            "Caps lock? After %(left)d more tries the name is closed for %(minutes)d minutes.",
            left,
        ) % {"left": left, "minutes": minutes}
        return ValidationError([gettext("That name and password do not go together."), hint], code="invalid_login")
