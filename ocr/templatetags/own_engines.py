"""The parts of the profile page that are about engines: the page itself knows of none."""

from typing import Any

from django import template

from cardocr_site.accounts.models import User
from ocr import people
from ocr.models import Engine, OwnKey, Preference

register = template.Library()


@register.inclusion_tag("ocr/_own_engines.html", takes_context=True)
def own_engines(context: dict[str, Any], user: User) -> dict[str, Any]:
    """Which engine new batches begin with, and for which ones a key of one's own is stored."""
    engines = list(Engine.objects.filter(enabled=True))
    kept = {row.engine_id: row for row in OwnKey.objects.filter(user=user)}
    rows = [
        {"engine": one, "key": kept.get(one.pk), "moved": one.pk in kept and kept[one.pk].address != one.address}
        for one in engines
        if one.kind != Engine.Kind.LOCAL
    ]
    return {
        "csrf_token": context.get("csrf_token"),
        "engines": engines,
        "liked": Preference.objects.filter(user=user, engine__enabled=True).first(),
        "usual": people.default_engine(),
        "keys": rows,
        "longest_model": people.LONGEST_MODEL,
        "longest_key": people.LONGEST_KEY,
    }
