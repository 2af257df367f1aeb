"""The forms of a draft: its name, who reads it, and how."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from batches.actions import settings
from batches.models import DEFAULT_OPTIONS, Batch, Webhook
from batches.queries import besides, rereading
from ocr import offers
from ocr.models import Engine
from templates_app.models import FieldTemplate, FieldTemplateVersion

TEXT = {"class": "in"}


class NameForm(forms.Form):
    """Name and collection: may change at any time."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=200, widget=forms.TextInput(attrs={**TEXT, "autocomplete": "off"})
    )
    collection = forms.CharField(
        label=gettext_lazy("Collection"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={**TEXT, "list": "collections", "autocomplete": "off"}),
    )


class SettingsForm(NameForm):
    """All that may change at any time. Each input brings what it was drawn with: only what was changed is saved."""

    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        max_length=1000,
        required=False,
        widget=forms.TextInput(attrs={**TEXT, "autocomplete": "off"}),
    )

    def __init__(self, batch: Batch, data: Any = None) -> None:
        initial = {name: getattr(batch, name) for name in ("name", "collection")}
        initial["tags"] = ", ".join(tag.name for tag in batch.tags.all())
        super().__init__(data, initial=initial)
        for field in self.fields.values():
            field.show_hidden_initial = True

    def clean_tags(self) -> list[str]:
        return split_tags(self.cleaned_data["tags"])

    def changed(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in self.changed_data}


def split_tags(text: str) -> list[str]:
    """Words between commas, each once whatever its case. Raises ValidationError where there are too many."""
    tags: dict[str, str] = {}
    for name in (" ".join(word.split()) for word in text.split(",")):
        tags.setdefault(name.casefold(), name)
    names = [name for name in tags.values() if name]
    if len(names) > settings.MOST_TAGS:
        raise forms.ValidationError(_("Not more than %(n)s tags."), params={"n": settings.MOST_TAGS})
    if any(len(name) > settings.LONGEST_TAG for name in names):
        raise forms.ValidationError(_("A tag has at most %(n)s characters."), params={"n": settings.LONGEST_TAG})
    return names


class BatchForm(NameForm):
    """A new batch. `uid` is made with the page, so that two clicks make one batch."""

    template = forms.ModelChoiceField(
        label=gettext_lazy("Template"),
        queryset=FieldTemplate.objects.none(),
        required=False,
        empty_label=gettext_lazy("None, I name the fields myself"),
        widget=forms.Select(attrs=TEXT),
    )
    uid = forms.RegexField(regex=r"^[2-9a-z]{10}$", required=False, widget=forms.HiddenInput)

    def __init__(self, user: Any, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        super().__init__(data, initial=initial)
        self.user = user
        templates = self.fields["template"]
        assert isinstance(templates, forms.ModelChoiceField)  # noqa: S101
        templates.queryset = FieldTemplate.objects.visible_to(user)

    def clean_uid(self) -> str:
        uid = str(self.cleaned_data["uid"])
        return "" if Batch.objects.filter(uid=uid).exclude(owner=self.user).exists() else uid


class BudgetForm(forms.Form):
    """What a batch may cost; empty: as much as it takes."""

    budget = forms.DecimalField(
        label=gettext_lazy("Limit for this batch"),
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        required=False,
        widget=forms.NumberInput(attrs={**TEXT, "step": "0.01", "inputmode": "decimal", "autocomplete": "off"}),
    )

    def __init__(self, batch: Batch, data: Any = None) -> None:
        super().__init__(data, initial={"budget": batch.budget}, auto_id="limit-%s")
        self.currency = batch.currency or (batch.engine.currency if batch.engine else "")


class ScansForm(forms.Form):
    """How the scans of a draft are prepared."""

    turn = forms.ChoiceField(
        label=gettext_lazy("Turn the scans"),
        choices=[
            ("auto", gettext_lazy("as the text on each says")),
            ("0", gettext_lazy("not at all")),
            ("90", gettext_lazy("a quarter to the right")),
            ("180", gettext_lazy("upside down")),
            ("270", gettext_lazy("a quarter to the left")),
        ],
        widget=forms.Select(attrs=TEXT),
    )
    pass_blank = forms.BooleanField(
        label=gettext_lazy("Pass over blank scans"), required=False, widget=forms.CheckboxInput(attrs={"class": "box"})
    )
    trim = forms.BooleanField(
        label=gettext_lazy("Cut off the scanner’s black or white frame"),
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "box"}),
    )
    straighten = forms.BooleanField(
        label=gettext_lazy("Set scans level that lie a little askew"),
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "box"}),
    )

    def __init__(self, batch: Batch, data: Any = None) -> None:
        initial = {"turn": str(batch.option("rotation"))}
        initial |= {name: batch.option(name) for name in ("pass_blank", "trim", "straighten")}
        super().__init__(data, initial=initial, auto_id="scans-%s")

    def options(self) -> dict[str, Any]:
        turn = str(self.cleaned_data["turn"])
        ticked = {name: self.cleaned_data[name] for name in ("pass_blank", "trim", "straighten")}
        return {"rotation": int(turn) if turn.isdecimal() else turn, **ticked}


def _models(batch: Batch, engines: Iterable[Engine]) -> dict[str, forms.Field]:
    """A field for the model of each engine that has any, under the name `model_<pk>`."""
    return {
        f"model_{engine.pk}": forms.CharField(
            label=gettext_lazy("Model"),
            max_length=200,
            required=False,
            initial=batch.model if engine.pk == batch.engine_id else "",
            widget=forms.TextInput(attrs={**TEXT, "placeholder": engine.model, **offers.attributes(engine)}),
        )
        for engine in engines
        if engine.kind != Engine.Kind.LOCAL
    }


class EngineForm(forms.Form):
    """Which engine reads, with which model, and the options that few people need."""

    engine = forms.ModelChoiceField(queryset=Engine.objects.none(), widget=forms.RadioSelect, empty_label=None)
    concurrency = forms.IntegerField(
        label=gettext_lazy("Calls at a time"),
        min_value=1,
        max_value=256,
        required=False,
        widget=forms.NumberInput(attrs={**TEXT, "placeholder": gettext_lazy("as many as possible")}),
    )
    retries = forms.IntegerField(
        label=gettext_lazy("Further tries for a card that fails"),
        min_value=0,
        max_value=10,
        widget=forms.NumberInput(attrs=TEXT),
    )

    stay_inside = forms.BooleanField(
        label=gettext_lazy("These cards must not leave the house"),
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "box", "aria-describedby": "said-engine"}),
    )
    may_leave = forms.BooleanField(
        label=gettext_lazy("Take the template’s mark off for this batch: its cards may leave the house"),
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "box"}),
    )

    def __init__(self, batch: Batch, data: Any = None) -> None:
        engines = Engine.objects.filter(enabled=True)
        initial = {"engine": batch.engine_id, **{name: batch.option(name) for name in OPTIONS}}
        super().__init__(data, initial=initial, auto_id="engine-%s")
        field = self.fields["engine"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101
        field.queryset = engines
        template = batch.template_version.template if batch.template_version else None
        self.marked_by = template.name if template and template.stay_inside else ""
        if not self.marked_by:
            del self.fields["may_leave"]
        else:
            self.fields["may_leave"].initial = not batch.option("stay_inside")
        for name, wish in besides.WISHES.items():
            box = forms.CheckboxInput(attrs={"class": "box"})
            self.fields[name] = forms.BooleanField(
                label=_(wish.label), required=False, initial=initial[name], widget=box
            )
        self.engines = list(engines)
        self.fields |= _models(batch, self.engines)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        engine = data.get("engine")
        if engine and engine.kind != Engine.Kind.LOCAL and not (engine.model or data.get(f"model_{engine.pk}")):
            self.add_error(f"model_{engine.pk}", _("Name the model: this engine has none of its own."))
        if self.marked_by and not data.get("stay_inside") and not data.get("may_leave"):
            said = _("The template “%(name)s” says that its cards must stay in the house. Tick below to take it off.")
            self.add_error("stay_inside", said % {"name": self.marked_by})
        return data

    def model(self) -> str:
        return str(self.cleaned_data.get(f"model_{self.cleaned_data['engine'].pk}", ""))

    def options(self) -> dict[str, Any]:
        """What is not offered for an engine is not asked of it, though its box may have been ticked before."""
        chosen = {name: self.cleaned_data[name] for name in OPTIONS}
        return besides.possible(self.cleaned_data["engine"], chosen)

    def wishes(self) -> list[tuple[forms.BoundField, bool]]:
        """What may be asked for besides the fields; whether only a model can do it."""
        return [(self[name], wish.model) for name, wish in besides.WISHES.items()]


OPTIONS = [name for name in DEFAULT_OPTIONS if name in {*besides.WISHES, "concurrency", "retries", "stay_inside"}]


class RereadingForm(forms.Form):
    """With which engine, model and fields cards are read again."""

    engine = forms.ModelChoiceField(queryset=Engine.objects.none(), widget=forms.RadioSelect, empty_label=None)
    version = forms.ModelChoiceField(
        label=gettext_lazy("Fields"),
        queryset=FieldTemplateVersion.objects.none(),
        required=False,
        empty_label=gettext_lazy("As they are in this batch"),
        widget=forms.Select(attrs=TEXT),
    )
    only_new = forms.BooleanField(
        label=gettext_lazy("Only the new fields"), required=False, widget=forms.CheckboxInput(attrs={"class": "box"})
    )

    def __init__(self, batch: Batch, data: Any = None, *, version: str = "") -> None:
        """`version`: the key of the one that is chosen at first."""
        self.batch = batch
        self.versions = rereading.versions(batch)
        self.first_version = next((one for one in self.versions if str(one.pk) == version), None)
        first = {"engine": batch.engine_id, "version": self.first_version}
        super().__init__(data, initial=first, auto_id="again-%s")
        self.engines = list(Engine.objects.filter(enabled=True))
        for name, queryset in (
            ("engine", Engine.objects.filter(enabled=True)),
            ("version", FieldTemplateVersion.objects.filter(pk__in=[one.pk for one in self.versions])),
        ):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)  # noqa: S101
            field.queryset = queryset
        self.fields |= _models(batch, self.engines)

    def means(self) -> rereading.Means:
        """Of a valid form."""
        data = self.cleaned_data
        engine = data["engine"]
        model = data.get(f"model_{engine.pk}") or ""
        return rereading.Means(engine, model, data["version"], data["only_new"])

    def first_means(self) -> rereading.Means | None:
        """What the page shows before anything is chosen."""
        engine = next((one for one in self.engines if one.pk == self.batch.engine_id), None)
        return (
            None if engine is None or self.is_bound else rereading.Means(engine, self.batch.model, self.first_version)
        )

    def can_be_new(self) -> bool:
        return bool(self.versions or rereading.new_fields(self.batch, None))

    def news(self) -> list[tuple[FieldTemplateVersion, list[str]]]:
        """Each newer version and the names of its new fields."""
        return [(one, [spec.label for spec in rereading.new_fields(self.batch, one)]) for one in self.versions]


class WebhookForm(forms.Form):
    """An address that is to be told what happens; whether it may be called, says actions/webhooks.py."""

    address = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=1000,
        widget=forms.TextInput(attrs={**TEXT, "type": "url", "autocomplete": "off", "spellcheck": "false"}),
    )
    batches = forms.ChoiceField(
        label=gettext_lazy("Of which batches"), choices=Webhook.Batches.choices, widget=forms.Select(attrs=TEXT)
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("When"),
        choices=Webhook.Event.choices,
        initial=Webhook.Event.values,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "box"}),
        error_messages={"required": gettext_lazy("Choose at least one event.")},
    )
