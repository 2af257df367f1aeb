"""Links of a list: the present address with some of its parts changed."""

from typing import Any

from django import template

register = template.Library()


@register.simple_tag(takes_context=True)
def address(context: template.Context, **parts: Any) -> str:
    """An empty part is left out."""
    query = context["request"].GET.copy()
    for name, value in parts.items():
        query.pop(name, None)
        if value not in {"", None}:
            query[name] = str(value)
    return f"?{query.urlencode()}"


@register.filter
def at(mapping: dict[str, Any], key: str) -> Any:
    return mapping.get(key)
