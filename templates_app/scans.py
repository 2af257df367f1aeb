"""How the scans of a kind of card are prepared: what a template says. What it does not say, a new batch decides."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

ROTATIONS = ("auto", 0, 90, 180, 270)
SWITCHES = {
    "pass_blank": gettext_lazy("Blank scans are passed over"),
    "trim": gettext_lazy("The scanner’s black or white frame is cut off"),
    "straighten": gettext_lazy("Scans that lie a little askew are set level"),
    "sheets": gettext_lazy("Several cards may lie on a sheet: they are looked for"),
}
LONGEST_ENDING = 40
TURNS = {
    "auto": gettext_lazy("Scans are turned as the text on each says"),
    0: gettext_lazy("Scans are not turned"),
    90: gettext_lazy("Scans are turned a quarter to the right"),
    180: gettext_lazy("Scans are turned upside down"),
    270: gettext_lazy("Scans are turned a quarter to the left"),
}


def checked(data: object) -> dict[str, Any]:
    """What a template of another installation says. Raises ValueError, with a sentence."""
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise ValueError(_("“scans” must be an object."))
    if unknown := next((name for name in data if name not in {"rotation", "pairing", *SWITCHES}), None):
        raise ValueError(_("there is nothing called “%(name)s” about scans.") % {"name": unknown})
    said: dict[str, Any] = {}
    if "rotation" in data:
        rotation = data["rotation"]
        if isinstance(rotation, bool | float) or rotation not in ROTATIONS:
            raise ValueError(_("“rotation” must be auto, 0, 90, 180 or 270."))
        said["rotation"] = rotation
    for name in SWITCHES:
        if name in data:
            if not isinstance(data[name], bool):
                raise ValueError(_("“%(name)s” must be true or false.") % {"name": name})
            said[name] = data[name]
    if data.get("pairing") is not None:
        said["pairing"] = _pairing(data["pairing"])
    return said


def _pairing(data: object) -> dict[str, str]:
    """{"how": "order"} or {"how": "names", "front": "_r", "back": "_v"}."""
    if not isinstance(data, Mapping) or data.get("how") not in ("order", "names"):
        raise ValueError(_("“pairing” must say how: order or names."))
    if data["how"] == "order":
        return {"how": "order"}
    front, back = data.get("front", ""), data.get("back", "")
    if not isinstance(front, str) or not isinstance(back, str) or max(len(front), len(back)) > LONGEST_ENDING:
        raise ValueError(_("the endings of names must be texts of at most %(n)s letters.") % {"n": LONGEST_ENDING})
    if not back or front.casefold() == back.casefold():
        raise ValueError(_("the names of fronts and backs must end differently."))
    return {"how": "names", "front": front, "back": back}


def told(scans: Mapping[str, Any]) -> list[str]:
    """In sentences."""
    sentences = [str(TURNS[scans["rotation"]])] if scans.get("rotation") in TURNS else []
    sentences += [str(label) for name, label in SWITCHES.items() if scans.get(name) and name != "pass_blank"]
    if scans.get("pass_blank") is False:
        sentences.append(_("Blank scans are read, too"))
    match scans.get("pairing"):
        case {"how": "order"}:
            sentences.append(_("Front and back lie one after the other"))
        case {"how": "names", "front": front, "back": back}:
            ends = {"front": front or "–", "back": back}
            sentences.append(_("Names of fronts end in “%(front)s”, of backs in “%(back)s”") % ends)
    return sentences
