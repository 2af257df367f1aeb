"""What people did, in plain sentences. A kind that has none here is said by its own word."""

from collections.abc import Callable
from typing import Any

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from batches import progress
from batches.models import Activity
from templates_app.sharing import Everybody

register = template.Library()

# What the list is filtered by: a label, and the kinds that it means.
GROUPS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "values": (
        gettext_lazy("Values"),
        ("correct", "enter", "accept", "reject", "entry_add", "entry_out", "entry_back", "entry_move"),
    ),
    "checked": (
        gettext_lazy("Checked"),
        ("review", "unreview", "flag", "unflag", "give_up", "undo_card", "sample", "entry_check"),
    ),
    "reading": (
        gettext_lazy("Reading"),
        ("try", "start", "pause", "resume", "stop", "retry", "reread", "read_skipped", "read_rest", "unreadable"),
    ),
    "left-out": (gettext_lazy("Left out"), ("skip", "choose")),
    "scans": (
        gettext_lazy("Scans"),
        ("add_scans", "remove_scans", "erase_card", "replace_scan", "turn", "order", "scan_options"),
    ),
    "setup": (
        gettext_lazy("Fields and settings"),
        (
            "create",
            "rename",
            "tags",
            "sharing",
            "fields",
            "instruction",
            "template",
            "engine",
            "options",
            "budget",
            "delete",
            "restore",
        ),
    ),
    "export": (gettext_lazy("Export"), ("export", "export_collection")),
}


_COUNTED: dict[str, Callable[[int], str]] = {
    "correct": lambda n: ngettext("%(who)s corrected %(n)s value", "%(who)s corrected %(n)s values", n),
    "enter": lambda n: ngettext("%(who)s entered %(n)s card by hand", "%(who)s entered %(n)s cards by hand", n),
    "accept": lambda n: ngettext(
        "%(who)s decided for another reading of %(n)s card", "%(who)s decided for another reading of %(n)s cards", n
    ),
    "reject": lambda n: ngettext(
        "%(who)s kept what %(n)s card had against another reading",
        "%(who)s kept what %(n)s cards had against another reading",
        n,
    ),
    "review": lambda n: ngettext("%(who)s found %(n)s card right", "%(who)s found %(n)s cards right", n),
    "unreview": lambda n: ngettext(
        "%(who)s marked %(n)s card as not checked", "%(who)s marked %(n)s cards as not checked", n
    ),
    "try": lambda n: ngettext("%(who)s tried %(engine)s on %(n)s card", "%(who)s tried %(engine)s on %(n)s cards", n),
    "start": lambda n: ngettext(
        "%(who)s started the batch with %(n)s card", "%(who)s started the batch with %(n)s cards", n
    ),
    "retry": lambda n: ngettext(
        "%(who)s had %(n)s card read again that could not be read",
        "%(who)s had %(n)s cards read again that could not be read",
        n,
    ),
    "reread": lambda n: ngettext(
        "%(who)s had %(n)s card read once more with %(engine)s",
        "%(who)s had %(n)s cards read once more with %(engine)s",
        n,
    ),
    "read_skipped": lambda n: ngettext(
        "%(who)s had %(n)s card read that was left out", "%(who)s had %(n)s cards read that were left out", n
    ),
    "skip": lambda n: ngettext("%(who)s left %(n)s card out", "%(who)s left %(n)s cards out", n),
    "add_scans": lambda n: ngettext("%(who)s added %(n)s file", "%(who)s added %(n)s files", n),
    "remove_scans": lambda n: ngettext("%(who)s removed %(n)s scan", "%(who)s removed %(n)s scans", n),
    "choose": lambda n: ngettext(
        "%(who)s changed for %(n)s card whether it is read", "%(who)s changed for %(n)s cards whether they are read", n
    ),
    "read_rest": lambda n: ngettext(
        "%(who)s had %(n)s card read that was not chosen", "%(who)s had %(n)s cards read that were not chosen", n
    ),
    "sample": lambda n: ngettext("%(who)s drew %(n)s card at random", "%(who)s drew %(n)s cards at random", n),
    "unreadable": lambda n: ngettext(
        "%(who)s marked %(n)s card as unreadable", "%(who)s marked %(n)s cards as unreadable", n
    ),
    "flag": lambda n: ngettext("%(who)s flagged %(n)s card", "%(who)s flagged %(n)s cards", n),
    "unflag": lambda n: ngettext("%(who)s took the flag off %(n)s card", "%(who)s took the flag off %(n)s cards", n),
    "give_up": lambda n: ngettext(
        "%(who)s said of %(n)s card that it cannot be read", "%(who)s said of %(n)s cards that they cannot be read", n
    ),
    "undo_card": lambda n: ngettext(
        "%(who)s took back what was done to %(n)s card", "%(who)s took back what was done to %(n)s cards", n
    ),
    "entry_add": lambda n: ngettext("%(who)s added %(n)s entry", "%(who)s added %(n)s entries", n),
    "entry_out": lambda n: ngettext("%(who)s took %(n)s entry out", "%(who)s took %(n)s entries out", n),
    "entry_back": lambda n: ngettext("%(who)s brought %(n)s entry back", "%(who)s brought %(n)s entries back", n),
    "entry_move": lambda n: ngettext("%(who)s moved %(n)s entry", "%(who)s moved %(n)s entries", n),
    "entry_check": lambda n: ngettext("%(who)s looked at %(n)s entry", "%(who)s looked at %(n)s entries", n),
    "turn": lambda n: ngettext("%(who)s turned %(n)s scan", "%(who)s turned %(n)s scans", n),
}
_PLAIN: dict[str, Callable[[], str]] = {
    "create": lambda: _("%(who)s made the batch"),
    "pause": lambda: _("%(who)s paused the reading"),
    "resume": lambda: _("%(who)s let the reading go on"),
    "stop": lambda: _("%(who)s stopped the reading"),
    "replace_scan": lambda: _("%(who)s replaced the scan"),
    "erase_card": lambda: _("%(who)s erased card %(position)s for good"),
    "order": lambda: _("%(who)s changed the order of the scans"),
    "scan_options": lambda: _("%(who)s changed how the scans are prepared"),
    "rename": lambda: _("%(who)s renamed “%(was)s” to “%(name)s”"),
    "fields": lambda: _("%(who)s changed the fields"),
    "instruction": lambda: _("%(who)s changed the instruction"),
    "template": lambda: _("%(who)s took the fields of “%(template)s”"),
    "options": lambda: _("%(who)s changed the options"),
    "engine": lambda: _("%(who)s chose %(engine)s to read the cards"),
    "budget": lambda: _("%(who)s changed what the batch may cost"),
    "tags": lambda: _("%(who)s changed the tags"),
    "sharing": lambda: _("%(who)s changed who may see the batch"),
    "delete": lambda: _("%(who)s put the batch into the trash"),
    "restore": lambda: _("%(who)s took the batch out of the trash"),
    "export": lambda: _("%(who)s took the results along (%(format)s)"),
    "export_collection": lambda: _("%(who)s took the results along, with all of “%(collection)s” (%(format)s)"),
}
_KNOWN = {"name": "", "collection": "", "was": "", "engine": "", "template": "", "format": "", "position": ""}


@register.filter
def who(entry: Activity) -> str:
    if entry.by is None:
        return _("Somebody who is gone")
    return entry.by.get_full_name() or entry.by.username


@register.filter
def sentence(entry: Activity) -> str:
    """Who did what, without when."""
    what = {name: value for name, value in entry.what.items() if isinstance(value, str | int)}
    words = _KNOWN | what | {"who": who(entry), "n": entry.count, "format": str(what.get("format", "")).upper()}
    if entry.kind == "rename" and what.get("name") == what.get("was"):
        return _("%(who)s changed the collection") % words
    if entry.kind == "export_collection" and what.get("which") in {"found", "chosen"}:
        return _("%(who)s took chosen cards along, from “%(collection)s” (%(format)s)") % words
    if entry.kind in _COUNTED:
        return _COUNTED[entry.kind](entry.count) % words
    return (_PLAIN[entry.kind]() if entry.kind in _PLAIN else f"%(who)s: {entry.kind}") % words


@register.filter
def detail(entry: Activity) -> str:
    """What else is known of it: the cause of what failed, how much of it was taken back."""
    if entry.what.get("cause"):
        return progress.error_sentence(entry.what["cause"])
    if entry.kind == "sharing" and "everybody" in entry.what:
        return _shared_with(entry.what)
    return ""


def _shared_with(what: dict[str, Any]) -> str:
    words = dict(Everybody.choices)
    groups = {name: words.get(way, way) for name, way in what.get("groups", {}).items()}
    said = {_("Everybody"): words.get(what["everybody"], ""), **groups}
    return " · ".join(f"{name}: {way}" for name, way in said.items())


@register.filter
def undone(entry: Activity) -> str:
    """How much of it was taken back, and how much not."""
    undo = entry.what.get("undo", {})
    back, kept = undo.get("back", 0), undo.get("kept", 0)
    if entry.kind == "correct":
        said = ngettext("%(n)s value is as it was before.", "%(n)s values are as they were before.", back)
        left = ngettext("%(n)s was changed since and stays.", "%(n)s were changed since and stay.", kept)
    else:
        said = ngettext("%(n)s card is as it was before.", "%(n)s cards are as they were before.", back)
        left = ngettext("%(n)s was touched since and stays.", "%(n)s were touched since and stay.", kept)
    return " ".join([said % {"n": back}, *([left % {"n": kept}] if kept else [])])
