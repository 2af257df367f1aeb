"""Keys as they are written on a page, and as the scripts take them: those of the person who is signed in."""

import json
import re
from typing import Any

from django import template
from django.utils.translation import gettext as _

from cardocr_site.accounts import keys

register = template.Library()


def _mapping(context: dict[str, Any]) -> dict[str, str]:
    user = getattr(context.get("request"), "user", None)
    return keys.mapping(getattr(user, "own_keys", None))


@register.simple_tag(takes_context=True)
def key_map(context: dict[str, Any]) -> str:
    """All of them as JSON, which the template escapes as any text."""
    return json.dumps(_mapping(context))


@register.simple_tag(takes_context=True)
def key_for(context: dict[str, Any], action: str) -> str:
    return written(_mapping(context)[action])


@register.filter
def written(combination: str) -> str:
    """Alt+X as people read it, with the words of their keyboards: Alt X."""
    words = {
        "PageDown": _("Page ↓"),
        "PageUp": _("Page ↑"),
        "Ctrl": _("Ctrl"),
        "Shift": _("Shift"),
        "Enter": _("Enter"),
    }
    return " ".join(words.get(part, part) for part in re.split(r"\+(?=.)", combination))
