"""Templates as JSON files that another installation reads. What comes in is checked, with sentences for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError
from django.utils.translation import gettext as _

from ocr import patterns
from ocr.fields import POSITIONS, FieldSpec, FieldType, make_key
from templates_app import choices as lists
from templates_app import scans as scan_options
from templates_app import versions
from templates_app.editing import MAX_FIELDS
from templates_app.forms import InstructionForm
from templates_app.models import Field, FieldTemplate, FieldTemplateVersion
from templates_app.sharing import Everybody

LONGEST_NAME = FieldTemplate._meta.get_field("name").max_length or 0
LONGEST_LABEL = Field._meta.get_field("label").max_length
LONGEST_KEY = Field._meta.get_field("key").max_length
LONGEST_EXAMPLE = Field._meta.get_field("example").max_length
HINT_LISTS = ("aliases", "keywords", "avoid")


def dump(version: FieldTemplateVersion) -> dict[str, Any]:
    return {
        "name": version.template.name,
        "description": version.template.description,
        "instruction": version.instruction,
        "stay_inside": version.template.stay_inside,
        "scans": version.template.scans,
        "fields": [spec.to_dict() for spec in version.specs()],
    }


def load(data: object) -> list[FieldSpec]:
    """The fields of an exported template. Raises ValueError, with a sentence that names the field."""
    fields = data.get("fields") if isinstance(data, Mapping) else None
    if not isinstance(fields, list) or not fields:
        raise ValueError(_("This is no field template: a list called “fields” is missing."))
    if len(fields) > MAX_FIELDS:
        raise ValueError(_("A card can have at most %(n)s fields.") % {"n": MAX_FIELDS})
    specs: list[FieldSpec] = []
    for number, field in enumerate(fields, 1):
        try:
            specs.append(_spec(field, {spec.key for spec in specs}))
        except ValueError as error:
            raise ValueError(_("Field %(number)s: %(reason)s") % {"number": number, "reason": error}) from None
    return specs


def stays_inside(data: Mapping[str, Any]) -> bool:
    """Whether the template's cards must not leave the house. Raises ValueError: a slip here would let them out."""
    mark = data.get("stay_inside", False)
    if not isinstance(mark, bool):
        raise ValueError(_("“%(name)s” must be true or false.") % {"name": "stay_inside"})
    return mark


def scans_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """How its scans are prepared. Raises ValueError, with a sentence."""
    try:
        return scan_options.checked(data.get("scans"))
    except ValueError as error:
        raise ValueError(_("Scans: %(reason)s") % {"reason": error}) from None


def take(data: Any, user: Any) -> FieldTemplate:
    """A template of an exported one, private at first. Raises ValueError, with a sentence."""
    specs = load(data)
    texts = {name: data.get(name) or "" for name in ("name", "description", "instruction")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ValueError(_("Name, description and instruction must be text."))
    checked_instruction(texts["instruction"])
    try:
        return create(
            _free(texts["name"]),
            specs,
            user,
            instruction=texts["instruction"],
            description=texts["description"],
            everybody=Everybody.NONE,
            stay_inside=stays_inside(data),
            scans=scans_of(data),
        )
    except IntegrityError:  # somebody was quicker
        raise ValueError(_("There is a template called “%(name)s” already.") % {"name": texts["name"]}) from None


def checked_instruction(text: str) -> str:
    """Raises ValueError, with a sentence."""
    form = InstructionForm({"instruction": text})
    if not form.is_valid():
        raise ValueError(str(form.errors["instruction"][0]))
    return str(form.cleaned_data["instruction"])


def _free(name: str) -> str:
    """The name, or with a number behind it where there is such a template."""
    taken, wanted, number = FieldTemplate.objects.filter(name__startswith=name.strip()[:100]), name.strip(), 2
    names = set(taken.values_list("name", flat=True))
    while wanted in names:
        wanted, number = f"{name.strip()[:100]} ({number})", number + 1
    return wanted


def create(
    name: str,
    specs: Sequence[FieldSpec],
    user: Any,
    *,
    instruction: str = "",
    description: str = "",
    everybody: str | None = None,
    stay_inside: bool = False,
    scans: dict[str, Any] | None = None,
) -> FieldTemplate:
    """A template with its first version. Raises ValueError, with a sentence."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise ValueError(_("A template needs a name of 1 to %(n)s letters.") % {"n": LONGEST_NAME})
    if FieldTemplate.objects.filter(name=name).exists():
        raise ValueError(_("There is a template called “%(name)s” already.") % {"name": name})
    return versions.create(
        user,
        name,
        specs,
        instruction=instruction,
        description=description,
        everybody=everybody,
        stay_inside=stay_inside,
        scans=scans,
    )


def _spec(data: object, taken: set[str]) -> FieldSpec:
    if not isinstance(data, Mapping):
        raise ValueError(_("it must be an object with a label."))
    hints = {} if data.get("hints") is None else data["hints"]
    if not isinstance(hints, Mapping):
        raise ValueError(_("“hints” must be an object."))
    label = _text(data, "label", longest=LONGEST_LABEL)
    if not label:
        raise ValueError(_("its label is missing."))
    _check_list(data, "choices")
    _check_spellings(data)
    for name in HINT_LISTS:
        _check_list(hints, name)
    for name, of in (("instruction", data), ("pattern", data), ("until", hints)):
        _text(of, name)
    _text(data, "example", longest=LONGEST_EXAMPLE)
    for name in ("required", "active", "open_list"):
        if not isinstance(data.get(name, False), bool):
            raise ValueError(_("“%(name)s” must be true or false.") % {"name": name})
    _check_values(data, hints)
    return FieldSpec.from_dict({**data, "label": label, "key": _key(data, label, taken)})


def _key(data: Mapping[str, Any], label: str, taken: set[str]) -> str:
    key = _text(data, "key", longest=LONGEST_KEY)
    if not key:
        return make_key(label, taken)
    if key in taken:
        raise ValueError(_("the key “%(key)s” stands there twice.") % {"key": key})
    if not (key.isascii() and key.replace("_", "a").isalnum() and key == key.lower()):
        raise ValueError(_("the key “%(key)s” may only have a to z, 0 to 9 and _.") % {"key": key})
    return key


def _check_values(data: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    kind = data.get("type")
    if kind is not None and kind not in list(FieldType):
        raise ValueError(_("there is no type “%(kind)s”.") % {"kind": kind})
    if pattern := data.get("pattern"):
        patterns.compiled(pattern)
    position = hints.get("position")
    if position is not None and position not in POSITIONS:
        raise ValueError(_("there is no position “%(position)s”.") % {"position": position})
    threshold = data.get("threshold")
    if threshold is None:
        return
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ValueError(_("its threshold must be a number from 0 to 1."))


def _check_list(data: Mapping[str, Any], name: str) -> None:
    items = data.get(name)
    if items is None:
        return
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(_("“%(name)s” must be a list of words.") % {"name": name})


def _check_spellings(data: Mapping[str, Any]) -> None:
    given = data.get("spellings")
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise ValueError(_("“%(name)s” must be an object.") % {"name": "spellings"})
    choices = data.get("choices") or []
    for term in given:
        if term not in choices:
            raise ValueError(_("“%(term)s” has spellings but is no choice.") % {"term": term})
        _check_list(given, term)
    lists.checked(choices, tuple((term, tuple(forms or ())) for term, forms in given.items()))


def _text(data: Mapping[str, Any], name: str, *, longest: int | None = None) -> str:
    text = data.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise ValueError(_("“%(name)s” must be text.") % {"name": name})
    if longest is not None and len(text) > longest:
        raise ValueError(_("“%(name)s” may have at most %(n)s letters.") % {"name": name, "n": longest})
    return text.strip()
