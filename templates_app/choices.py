"""A list of choices as people write it: one on a line, behind “=” how else it is spelt on cards.

`Norskehavet = Norw. Sea; Norwegian Sea`. An equals sign that is part of a choice is written `\\=`.
"""

import re
from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _

from ocr.coercion import tidy
from ocr.fields import FieldSpec, Spellings

_EQUALS = re.compile(r"(?<!\\)=")


def read(text: str) -> tuple[tuple[str, ...], Spellings]:
    """The choices, each once, and their spellings. Raises ValueError, with a sentence."""
    found: dict[str, dict[str, None]] = {}
    for line in text.splitlines():
        term, *others = _EQUALS.split(line, maxsplit=1)
        term = term.replace(r"\=", "=").strip()
        forms = [form.replace(r"\=", "=").strip() for form in "".join(others).split(";")]
        if not term and not any(forms):
            continue
        if not term:
            raise ValueError(_("Before “= %(forms)s” the choice is missing.") % {"forms": forms[0]})
        found.setdefault(term, {}).update(dict.fromkeys(form for form in forms if form))
    spellings = tuple((term, tuple(forms)) for term, forms in found.items() if forms)
    return tuple(found), checked(found, spellings)


def checked(choices: Iterable[str], spellings: Spellings) -> Spellings:
    """The spellings that say something, once it is clear which choice each is. Raises ValueError, with a sentence."""
    meant = {_folded(term): term for term in choices}
    kept = []
    for term, forms in spellings:
        said = []
        for form in forms:
            if ";" in form or len(form.splitlines()) != 1:
                raise ValueError(_("The spelling “%(form)s” may hold no semicolon and no line break.") % {"form": form})
            other = meant.setdefault(_folded(form), term)
            if other != term:
                both = {"form": form, "one": other, "other": term}
                raise ValueError(_("“%(form)s” would be both “%(one)s” and “%(other)s”.") % both)
            said += [form] if _folded(form) != _folded(term) else []
        kept += [(term, tuple(said))] if said else []
    return tuple(kept)


def written(spec: FieldSpec) -> str:
    """As `read` takes it."""
    known = dict(spec.spellings)
    return "\n".join(_line(term, known.get(term, ())) for term in spec.choices)


def told(spec: FieldSpec) -> list[str]:
    """For people who only look: each choice with its spellings in brackets."""
    known = dict(spec.spellings)
    return [f"{term} ({'; '.join(known[term])})" if term in known else term for term in spec.choices]


def _line(term: str, forms: Sequence[str]) -> str:
    escaped = term.replace("=", r"\=")
    return f"{escaped} = {'; '.join(forms)}" if forms else escaped


def _folded(text: str) -> str:
    return tidy(text).casefold()
