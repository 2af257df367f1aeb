import ssl
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ocr import addresses, offers, people
from ocr.models import Engine, private_hosts

PRICES = ("price_in", "price_cached", "price_out")
_CONNECT = _(
    "Any endpoint that speaks OpenAI chat completions and takes images. Give the base address, or the whole one with "
    "/chat/completions, and the model as the endpoint names it. A host in the house must be named in the setting "
    "CARDOCR_ALLOW_PRIVATE_ENGINES."
)
_EXAMPLES = (
    ("OpenRouter", "https://openrouter.ai/api/v1", _("with a key")),
    ("DashScope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", _("with a key")),
    ("Ollama", "http://127.0.0.1:11434/v1", _("without a key")),
    ("vLLM", "http://gpu-host:8000/v1", _("without a key, unless it was started with one")),
    ("llama.cpp", "http://127.0.0.1:8080/v1", _("without a key, unless it was started with one")),
)


def _how_to_connect() -> str:
    lines = format_html_join("", "<li>{}: <code>{}</code>, {}</li>", _EXAMPLES)
    return format_html("{}<ul>{}</ul>", _CONNECT, lines)


def _warn_of_the_place(request: HttpRequest, engine: Engine) -> None:
    """What the confirm page promises about where scans go rests on it."""
    inside = addresses.looks_inside(engine.address, private_hosts()) if engine.address else None
    if inside is True and engine.place == Engine.Place.OUTSIDE:
        messages.warning(request, gettext("The address looks like one in the house, but the engine is marked outside."))
    if inside is False and engine.place == Engine.Place.INSIDE:
        messages.warning(request, gettext("The address is a public one, but the engine is marked inside the house."))


class EngineForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """The key goes in and never comes out: it is sealed by the model and no page shows it."""

    key = forms.CharField(
        label=_("Key"),
        required=False,
        max_length=500,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "class": "vTextField"}),
    )
    remove_key = forms.BooleanField(label=_("Remove the stored key"), required=False)
    proxy = forms.CharField(
        label=_("Proxy of its own"),
        required=False,
        max_length=500,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "class": "vTextField"}),
    )
    remove_proxy = forms.BooleanField(label=_("Remove the stored proxy"), required=False)

    class Meta:
        model = Engine
        fields = (
            "name",
            "kind",
            "address",
            "model",
            "place",
            "ca_bundle",
            "max_in_flight",
            "timeout",
            "enabled",
            "is_default",
            "price_in",
            "price_cached",
            "price_out",
            "currency",
            "priced_on",
            "month_budget",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].help_text = (
            gettext("A key is stored. Leave this empty to keep it.")
            if self.instance.has_key
            else gettext("No key is stored.")
        )
        self.fields["proxy"].help_text = (
            gettext("A proxy is stored; its address is not shown, since it may hold a password. Leave this empty.")
            if self.instance.has_proxy
            else gettext("Like http://user:password@proxy.example.org:3128. Empty: as CARDOCR_OUTBOUND_PROXY says.")
        )
        self.fields["ca_bundle"].help_text = gettext(
            "A PEM file on the server, trusted besides the usual certificates. Empty: as CARDOCR_CA_BUNDLE says."
        )
        if self.instance.pk and self.instance.kind != Engine.Kind.LOCAL:
            self.fields["model"].widget.attrs |= offers.attributes(self.instance)
            self.fields["model"].help_text = format_html('<div id="models-{}"></div>', self.instance.pk)
        self.fields["currency"].required = False
        self.fields["currency"].help_text = gettext("Three letters, as in USD. What was spent before is not converted.")
        self.fields["priced_on"].help_text = gettext("Today, where a price is changed and no date is typed.")
        self.fields["month_budget"].help_text = gettext(
            "Over all batches, a month in UTC. When it is reached they pause. Empty: no limit."
        )
        self.fields["address"].widget.attrs |= {"placeholder": "https://openrouter.ai/api/v1", "class": "vURLField"}

    def clean_key(self) -> str:
        try:
            return people.checked_key(str(self.cleaned_data["key"]))
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def clean_proxy(self) -> str:
        proxy = str(self.cleaned_data["proxy"]).strip()
        if proxy:
            try:
                addresses.check_proxy(proxy)
            except ValueError as error:
                raise ValidationError(str(error)) from None
        return proxy

    def clean_ca_bundle(self) -> str:
        path = str(self.cleaned_data["ca_bundle"]).strip()
        if path:
            try:
                ssl.create_default_context(cafile=path)
            except OSError:
                raise ValidationError(
                    _("This file cannot be read on the server, or holds no certificate in PEM form.")
                ) from None
        return path

    def clean_address(self) -> str:
        address = str(self.cleaned_data["address"] or "").strip()
        if address:
            try:
                addresses.check(address, private_hosts())
            except ValueError as error:
                raise ValidationError(str(error)) from None
        return address

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"]).strip().upper() or self.instance.currency
        if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
            raise ValidationError(_("A currency has three letters, as in USD or EUR."))
        return currency

    def clean_priced_on(self) -> date | None:
        """Changed prices are of today, unless another date is typed with them."""
        typed: date | None = self.cleaned_data["priced_on"]
        changed = any(name in self.changed_data for name in PRICES)
        return timezone.localdate() if changed and "priced_on" not in self.changed_data else typed

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("kind") == Engine.Kind.OPENAI_COMPATIBLE and not data.get("address") and "address" in data:
            self.add_error("address", _("This kind of engine needs an address."))
        if data.get("is_default") and not data.get("enabled"):
            self.add_error("is_default", _("An engine that is not in use cannot be the one chosen for new batches."))
        for name in (*PRICES, "month_budget"):
            if data.get(name) is not None and data[name] < 0:
                self.add_error(name, _("This cannot be less than nothing."))
        moved = "address" in data and data["address"] != self.initial.get("address", "")
        if self.instance.has_key and moved and not data.get("key") and not data.get("remove_key"):
            self.add_error("key", _("The address has changed: enter the key again, or remove it."))
        return data


@admin.register(Engine)
class EngineAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not subscriptable at run time
    form = EngineForm
    list_display = ("name", "kind", "model", "place", "enabled", "is_default", "key_is_stored")
    list_filter = ("kind", "place", "enabled")
    search_fields = ("name", "model")
    fieldsets = (
        (None, {"fields": ("name", "kind", "enabled", "is_default")}),
        (_("Endpoint"), {"fields": ("address", "model", "key", "remove_key", "place")}),
        (_("The way out"), {"fields": ("proxy", "remove_proxy", "ca_bundle"), "classes": ("collapse",)}),
        (_("Limits"), {"fields": ("max_in_flight", "timeout")}),
        (
            _("Prices and budget"),
            {
                "fields": (("price_in", "price_cached", "price_out"), ("currency", "priced_on"), "month_budget"),
                "description": _(
                    "For a million tokens. Where the endpoint tells what a call costs, that counts. Without prices "
                    "the cost of a call is unknown, never nothing; enter 0 where it costs nothing."
                ),
            },
        ),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Engine | None = None) -> Any:
        """With the examples, in the language of who looks."""
        first, endpoint, *others = self.fieldsets
        return first, (endpoint[0], {**endpoint[1], "description": _how_to_connect()}), *others

    @admin.display(boolean=True, description=_("a key is stored"))
    def key_is_stored(self, engine: Engine) -> bool:
        return engine.has_key

    def save_model(self, request: HttpRequest, obj: Engine, form: EngineForm, change: bool) -> None:
        if key := form.cleaned_data["key"]:
            obj.set_key(key)
        elif form.cleaned_data["remove_key"]:
            obj.set_key("")
        if proxy := form.cleaned_data["proxy"]:
            obj.set_proxy(proxy)
        elif form.cleaned_data["remove_proxy"]:
            obj.set_proxy("")
        _warn_of_the_place(request, obj)
        with transaction.atomic():
            # Of another endpoint nothing is known; of this one something may have been learnt since the form came.
            row = Engine.objects.select_for_update().filter(pk=obj.pk).first()
            obj.profile = row.profile if row is not None and "address" not in form.changed_data else {}
            super().save_model(request, obj, form, change)
            if obj.is_default:
                Engine.objects.exclude(pk=obj.pk).filter(is_default=True).update(is_default=False)
            elif not Engine.objects.filter(is_default=True).exists():
                Engine.objects.filter(kind=Engine.Kind.LOCAL, enabled=True).update(is_default=True)
