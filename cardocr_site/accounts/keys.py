"""The keys of the review that a person may lay elsewhere: what they do, which they are, and which may not be taken.

A combination is written as "Alt+X": Alt, Shift in this order, then a letter, a digit, + or −, or a key by its name.
With Ctrl browsers do something themselves, and Ctrl+Alt writes @ and € on many keyboards.
"""

import re
from collections.abc import Mapping

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

ACTIONS = {
    "card_right": (gettext_lazy("card is right, next card"), "Ctrl+Enter"),
    "next": (gettext_lazy("next card; what was typed is kept"), "PageDown"),
    "previous": (gettext_lazy("previous card"), "PageUp"),
    "give_up": (gettext_lazy("cannot read"), "Alt+X"),
    "flag": (gettext_lazy("flag with a note"), "Alt+F"),
    "in": (gettext_lazy("larger"), "Alt++"),
    "out": (gettext_lazy("smaller"), "Alt+-"),
    "fit": (gettext_lazy("the whole card"), "Alt+0"),
    "right": (gettext_lazy("turn the view right"), "Alt+R"),
    "left": (gettext_lazy("turn the view left"), "Alt+Shift+R"),
    "contrast": (gettext_lazy("contrast"), "Alt+C"),
    "invert": (gettext_lazy("light on dark"), "Alt+I"),
}
DEFAULTS = {name: combination for name, (_label, combination) in ACTIONS.items()}

_NAMED = ["PageUp", "PageDown", "Pause", "F2", "F4", "F8", "F9"]
_PARTS = re.compile(rf"(Alt\+)?(Shift\+)?([A-Z0-9+-]|{'|'.join(_NAMED)})")
_SPELLINGS = {"umschalt": "Shift", "option": "Alt", "pgdn": "PageDown", "pgup": "PageUp", "strg": "Ctrl", "−": "-"}
_TAKEN = {"Alt+F4", "Alt+D", "Alt+E", *(f"Alt+{number}" for number in range(1, 10))}  # on Linux numbers choose a tab
_OTHERS = re.compile(
    r"(Alt\+|Shift\+)*(Ctrl\+.*|Cmd\+.*|Meta\+.*|AltGr\+.*|F\d\d?|Tab|Enter|Escape|Esc|Space|Home|End|Insert|Delete|Backspace|(Arrow)?"
    r"(Left|Right|Up|Down))",
    re.IGNORECASE,
)


class KeyRefused(ValueError):
    """Says in a sentence why a combination cannot be used."""


def mapping(kept: object) -> dict[str, str]:
    """All actions with their keys: those of a person over the usual ones."""
    own = kept if isinstance(kept, Mapping) else {}
    return DEFAULTS | {name: str(own[name]) for name in ACTIONS if name in own}


def read(text: str) -> str:
    """A combination as people write it, in the form that is kept. Raises KeyRefused."""
    words = re.split(r"\s*\+\s*(?=.)|\s+(?=.)", text.strip().replace("++", "+ +"))
    words = [_SPELLINGS.get(word.casefold(), word) for word in words if word]
    key = words.pop() if words else ""
    modifiers = {word.casefold() for word in words}
    held = [name for name in ("Alt", "Shift") if name.casefold() in modifiers]
    named = next((name for name in [*_NAMED, "Enter"] if name.casefold() == key.casefold()), key.upper())
    combination = "+".join([*held, named])
    if named == "Enter" and modifiers == {"ctrl"}:
        return DEFAULTS["card_right"]
    if _PARTS.fullmatch(combination) and len(held) == len(words) and combination not in _TAKEN:
        if len(named) == 1 and "Alt" not in held:
            raise KeyRefused(_("A character alone is typed into the fields: add Alt."))
        return combination
    if combination in _TAKEN or _OTHERS.fullmatch("+".join([*words, key])):
        raise KeyRefused(_("Your browser, your system or this page uses this one itself."))
    raise KeyRefused(_("Write it like Alt+G, Alt+Shift+M or F8."))


def read_all(texts: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What differs from the usual keys, and what is wrong with what was typed; nothing typed is the usual one."""
    found, errors = dict(DEFAULTS), {}
    for name in ACTIONS:
        try:
            found[name] = read(texts[name]) if texts.get(name, "").strip() else DEFAULTS[name]
        except KeyRefused as refused:
            errors[name] = str(refused)
    for name, combination in found.items():
        twice = [other for other in ACTIONS if other != name and found[other] == combination]
        if twice and name not in errors:
            errors[name] = _("This key does “%(what)s” already.") % {"what": ACTIONS[twice[0]][0]}
    return {name: key for name, key in found.items() if key != DEFAULTS[name]}, errors
