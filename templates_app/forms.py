"""One field, the adding of fields, and a template's own data."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ocr import patterns, prompts
from ocr.fields import FieldSpec, FieldType, Hints, guess_type
from templates_app import choices as lists
from templates_app import scans
from templates_app.editing import MAX_FIELDS
from templates_app.models import FieldTemplate

TYPE_LABELS = {
    FieldType.TEXT: gettext_lazy("Text"),
    FieldType.MULTILINE: gettext_lazy("Several lines"),
    FieldType.INTEGER: gettext_lazy("Whole number"),
    FieldType.DECIMAL: gettext_lazy("Decimal number"),
    FieldType.DATE: gettext_lazy("Date"),
    FieldType.YEAR: gettext_lazy("Year"),
    FieldType.BOOLEAN: gettext_lazy("Yes or no"),
    FieldType.CHOICE: gettext_lazy("One of a list"),
    FieldType.LIST: gettext_lazy("List"),
    FieldType.IDENTIFIER: gettext_lazy("Number or id"),
    FieldType.COORDINATES: gettext_lazy("Coordinates"),
}
TYPES = [(str(kind), label) for kind, label in TYPE_LABELS.items()]
POSITION_LABELS = {
    "": gettext_lazy("Anywhere"),
    "top_left": gettext_lazy("Top left"),
    "first": gettext_lazy("First line"),
    "last": gettext_lazy("Last line"),
}
LONG_LINE = 300


def lines(text: str) -> tuple[str, ...]:
    """The lines that hold something, each once."""
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def words(text: str) -> tuple[str, ...]:
    """What stands between commas or on lines of its own, each once."""
    return lines(text.replace(",", "\n"))


class FieldForm(forms.Form):
    """What a person may say about one field. Its key never changes: values and templates hang on it."""

    label = forms.CharField(label=gettext_lazy("Field"), max_length=120)
    type = forms.ChoiceField(label=gettext_lazy("Type"), choices=TYPES)
    instruction = forms.CharField(label=gettext_lazy("Instruction"), max_length=2000, required=False)
    required = forms.BooleanField(label=gettext_lazy("Required"), required=False)
    active = forms.BooleanField(label=gettext_lazy("Read this field"), required=False)
    choices = forms.CharField(
        label=gettext_lazy("Choices, one on a line"),
        max_length=20_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    open_list = forms.BooleanField(label=gettext_lazy("Accept what is not on the list"), required=False)
    pattern = forms.CharField(label=gettext_lazy("Pattern (regular expression)"), max_length=200, required=False)
    example = forms.CharField(label=gettext_lazy("Example"), max_length=300, required=False)
    threshold = forms.IntegerField(
        label=gettext_lazy("Check where less sure than (percent)"), min_value=0, max_value=100, required=False
    )
    aliases = forms.CharField(label=gettext_lazy("Also labelled"), max_length=1000, required=False)
    keywords = forms.CharField(label=gettext_lazy("Starts with or contains"), max_length=1000, required=False)
    position = forms.ChoiceField(
        label=gettext_lazy("Place on the card"), choices=list(POSITION_LABELS.items()), required=False
    )
    avoid = forms.CharField(label=gettext_lazy("Never if it holds"), max_length=1000, required=False)
    until = forms.CharField(label=gettext_lazy("Read until"), max_length=120, required=False)

    def __init__(self, spec: FieldSpec, data: Any = None) -> None:
        super().__init__(data, initial=as_written(spec), auto_id=f"{spec.key}-%s")
        self.spec = spec
        for name, field in self.fields.items():
            attrs = field.widget.attrs
            attrs["class"] = _css_class(field.widget, name)
            attrs["data-field"] = spec.key  # where it is on a scan, viewer.js shows
            if name in {"label", "type", "instruction", "required"}:
                attrs["aria-label"] = f"{spec.label}: {field.label}"
            if self.is_bound and name in self.errors:
                attrs["aria-invalid"] = "true"
                attrs["aria-describedby"] = f"said-{spec.key}"

    def clean_choices(self) -> str:
        text = str(self.cleaned_data["choices"])
        try:
            lists.read(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return text

    def clean_pattern(self) -> str:
        pattern = str(self.cleaned_data["pattern"])
        if pattern:
            try:
                patterns.compiled(pattern)
            except ValueError as error:
                raise forms.ValidationError(str(error)) from error
        return pattern

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("type") == FieldType.CHOICE and "choices" in data and not lines(data["choices"]):
            self.add_error("choices", _("Write down what can be chosen, one on a line."))
        return data

    def changed_spec(self) -> FieldSpec:
        """The field as the form has it; what the form does not show stays."""
        data = self.cleaned_data
        choices, spellings = lists.read(data["choices"])
        return FieldSpec(
            key=self.spec.key,
            label=data["label"],
            instruction=data["instruction"],
            type=FieldType(data["type"]),
            choices=choices,
            pattern=data["pattern"] or None,
            required=data["required"],
            active=data["active"],
            example=data["example"] or None,
            threshold=self._threshold(data["threshold"]),
            hints=Hints(
                aliases=words(data["aliases"]),
                keywords=words(data["keywords"]),
                position=data["position"] or None,
                avoid=words(data["avoid"]),
                until=data["until"] or None,
            ),
            open_list=data["open_list"] and bool(choices),
            spellings=spellings,
        )

    def _threshold(self, percent: int | None) -> float | None:
        """One that came by a file and is no whole percent stays as it is, unless somebody changes it."""
        if percent == _percent(self.spec.threshold):
            return self.spec.threshold
        return None if percent is None else percent / 100

    @property
    def guessed(self) -> bool:
        """Whether the type is the one that the label suggests, and not simply text."""
        return self.spec.type != FieldType.TEXT and guess_type(self.spec.label) == self.spec.type


def as_written(spec: FieldSpec) -> dict[str, Any]:
    return {
        "label": spec.label,
        "type": str(spec.type),
        "instruction": spec.instruction,
        "required": spec.required,
        "active": spec.active,
        "choices": lists.written(spec),
        "open_list": spec.open_list,
        "pattern": spec.pattern or "",
        "example": spec.example or "",
        "threshold": _percent(spec.threshold),
        "aliases": ", ".join(spec.hints.aliases),
        "keywords": ", ".join(spec.hints.keywords),
        "position": spec.hints.position or "",
        "avoid": ", ".join(spec.hints.avoid),
        "until": spec.hints.until or "",
    }


def _percent(threshold: float | None) -> int | None:
    return None if threshold is None else round(threshold * 100)


def _css_class(widget: forms.Widget, name: str) -> str:
    if isinstance(widget, forms.CheckboxInput):
        return "box"
    if isinstance(widget, forms.Textarea):
        return "area area--value"
    return "in in--value" if name in {"pattern", "example"} else "in"


class AddFieldsForm(forms.Form):
    """One name with a type, or a pasted list of names, one on a line."""

    label = forms.CharField(max_length=120, required=False, widget=forms.TextInput(attrs={"class": "in"}))
    type = forms.ChoiceField(
        choices=[("", gettext_lazy("Guess the type from the name")), *TYPES],
        required=False,
        widget=forms.Select(attrs={"class": "in"}),
    )
    labels = forms.CharField(
        max_length=120 * MAX_FIELDS, required=False, widget=forms.Textarea(attrs={"class": "area", "rows": 5})
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, auto_id="add-%s")

    def clean_labels(self) -> str:
        if too_long := next((line for line in lines(self.cleaned_data["labels"]) if len(line) > 120), None):
            raise forms.ValidationError(_("“%(name)s…” is too long: 120 characters at most.") % {"name": too_long[:40]})
        return str(self.cleaned_data["labels"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors and not self.names():
            self.add_error("label", _("Write the name of the field."))
        return data

    def names(self) -> Iterable[str]:
        one = self.cleaned_data.get("label")
        return [one] if one else list(lines(self.cleaned_data.get("labels", "")))

    def kind(self) -> FieldType | None:
        return FieldType(self.cleaned_data["type"]) if self.cleaned_data["type"] else None


class InstructionForm(forms.Form):
    instruction = forms.CharField(
        label=gettext_lazy("What is true of all cards"),
        max_length=5000,
        required=False,
        widget=forms.Textarea(attrs={"class": "area", "rows": 3}),
    )

    def clean_instruction(self) -> str:
        """Braces mean something only as the place of the fields: a slip there would be read out to the model."""
        instruction = str(self.cleaned_data["instruction"])
        found = prompts.placeholders(instruction)
        if wrong := next((name for name in found if name != prompts.PLACE), None):
            said = _("“{{ %(name)s }}” means nothing here. The place of the fields is written {{ fields }}.")
            raise forms.ValidationError(said % {"name": wrong})
        if "" in found or len(found) > 1:
            raise forms.ValidationError(_("Write {{ fields }} once, where the list of fields is to stand."))
        return instruction


def _box(label: Any) -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, widget=forms.CheckboxInput(attrs={"class": "box"}))


def _ending(label: Any, example: str) -> forms.CharField:
    attrs = {"class": "in in--short", "placeholder": example, "autocomplete": "off"}
    return forms.CharField(
        label=label, max_length=scans.LONGEST_ENDING, required=False, strip=False, widget=forms.TextInput(attrs=attrs)
    )


class TemplateForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name, description, whether its cards may leave the house, who may use it, and how its scans are prepared.

    Of scans that alone is kept which is unlike a new batch.
    """

    turn = forms.ChoiceField(
        label=gettext_lazy("Turn the scans"),
        choices=[
            ("", gettext_lazy("as in other new batches")),
            *((str(key), word) for key, word in scans.TURNS.items()),
        ],
        required=False,
        widget=forms.Select(attrs={"class": "in"}),
    )
    read_blank = _box(gettext_lazy("Blank scans are read, too"))
    trim = _box(scans.SWITCHES["trim"])
    straighten = _box(scans.SWITCHES["straighten"])
    sheets = _box(scans.SWITCHES["sheets"])
    pairing = forms.ChoiceField(
        label=gettext_lazy("Front and back"),
        choices=[
            ("", gettext_lazy("are not scanned one by one")),
            ("order", gettext_lazy("lie one after the other")),
            ("names", gettext_lazy("have names that differ in the ending alone")),
        ],
        required=False,
        widget=forms.Select(attrs={"class": "in"}),
    )
    front = _ending(gettext_lazy("Ending of fronts"), "_r")
    back = _ending(gettext_lazy("Ending of backs"), "_v")

    class Meta:
        model = FieldTemplate
        labels = {"stay_inside": gettext_lazy("These cards must not leave the house")}
        fields = ("name", "description", "stay_inside", "everybody")
        widgets = {
            "name": forms.TextInput(attrs={"class": "in"}),
            "description": forms.Textarea(attrs={"class": "area", "rows": 3}),
            "stay_inside": forms.CheckboxInput(attrs={"class": "box"}),
            "everybody": forms.Select(attrs={"class": "in"}),
        }

    def __init__(self, *args: Any, source: FieldTemplate | None = None, **more: Any) -> None:
        """`source`: the template that a new one begins as."""
        said = more["instance"].scans if more.get("instance") else source.scans if source else {}
        pairing = said.get("pairing") or {}
        initial = {
            "turn": str(said.get("rotation", "")),
            "read_blank": said.get("pass_blank") is False,
            **{name: said.get(name, False) for name in ("trim", "straighten", "sheets")},
            "pairing": pairing.get("how", ""),
            "front": pairing.get("front", ""),
            "back": pairing.get("back", ""),
        }
        super().__init__(*args, **{**more, "initial": initial | (more.get("initial") or {})})
        self.fields["everybody"].required = False  # what is not sent stays
        if self.instance.pk:
            del self.fields["everybody"]  # then with ShareForm

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        try:
            self.instance.scans = scans.checked(_scans(data))
        except ValueError as error:
            self.add_error("back", str(error).capitalize())
        return data

    def scan_fields(self) -> list[forms.BoundField]:
        names = ("turn", "trim", "straighten", "sheets", "read_blank", "pairing", "front", "back")
        return [self[name] for name in names]


def _scans(data: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {name: True for name in ("trim", "straighten", "sheets") if data.get(name)}
    if turn := data.get("turn"):
        said["rotation"] = int(turn) if turn.isdecimal() else turn
    if data.get("read_blank"):
        said["pass_blank"] = False
    if how := data.get("pairing"):
        said["pairing"] = {"how": how, "front": data.get("front", ""), "back": data.get("back", "")}
    return said
