from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import time_format
from django.utils.translation import get_language, gettext, gettext_lazy, ngettext

from cardocr_site.accounts import keys, outside, tries
from cardocr_site.accounts.addresses import client_address
from cardocr_site.accounts.models import User


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
        sentence, _later = outside.said(self.request)
        if sentence:
            return ValidationError(sentence, code="turned")
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


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=settings.LANGUAGES)
    # Without the empty choice of the model: what was never chosen is as the system has it.
    theme = forms.ChoiceField(label=gettext_lazy("Colours"), choices=User.Theme.choices)

    class Meta:
        model = User
        fields = ("first_name", "last_name", "language", "theme", "density", "sound", "single_keys", "email", "mail")
        labels = {
            "first_name": gettext_lazy("First name"),
            "last_name": gettext_lazy("Last name"),
            "density": gettext_lazy("Tables"),
            "sound": gettext_lazy("A short sound when a batch is done"),
            "email": gettext_lazy("E-mail address"),
            "mail": gettext_lazy("Mail when a batch is done or paused"),
            "single_keys": gettext_lazy("Keys that are a single character"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.EMAIL_URL:
            del self.fields["mail"]
        if not settings.EMAIL_URL or self.instance.source:  # of others it is known where they sign in
            del self.fields["email"]
        self.key_errors: dict[str, str] = {}
        self.initial["theme"] = self.instance.theme or User.Theme.AUTO
        self.initial["language"] = self.instance.language or get_language()
        for name, field in self.fields.items():
            field.widget.attrs["class"] = "box" if isinstance(field, forms.BooleanField) else "in"
            if name in self.errors:
                field.widget.attrs |= {"aria-invalid": "true", "aria-describedby": f"id_{name}_error"}

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        own, self.key_errors = keys.read_all({} if "usual_keys" in self.data else self._typed_keys())
        if self.key_errors:
            raise ValidationError(gettext("Some keys cannot be used as they stand: see below."))
        self.instance.own_keys = own
        if found.get("mail") and not found.get("email", self.instance.email):
            where = "email" if "email" in self.fields else "mail"
            self.add_error(where, gettext("Say where the mail is to go."))
        return found

    def _typed_keys(self) -> dict[str, str]:
        return {name: self.data.get(f"key-{name}", "")[:40] for name in keys.ACTIONS}

    def key_rows(self) -> list[dict[str, str]]:
        """Of each action: its name, what it does, what stands in its field, the usual key, what is wrong."""
        typed = self._typed_keys() if self.is_bound else keys.mapping(self.instance.own_keys)
        return [
            {
                "name": name,
                "label": str(label),
                "typed": typed[name] or usual,
                "usual": usual,
                "error": self.key_errors.get(name, ""),
            }
            for name, (label, usual) in keys.ACTIONS.items()
        ]
