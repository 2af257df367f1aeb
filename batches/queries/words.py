"""Cards in which words stand, by the full-text tables: each word of the text begins a word on the card or in its name.

`mosb hakon` finds "Håkon Mosby"; words in quotation marks stand one behind the other. A star before the text looks
inside words, too, and so does a script that is written without spaces: then the text of every card is gone through.
"""

import re
from functools import reduce
from operator import and_

from django.db.models import Expression, Func, Q, TextField
from django.db.models.expressions import RawSQL
from django.db.models.lookups import Contains

from batches.models import indexing

INSIDE = "*"
_WORDS = re.compile(r'"([^"]+)"|(\S+)')
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def parts(text: str) -> list[str]:
    """The words and phrases that are looked for; a text that is looked for inside words is one."""
    if text.startswith(INSIDE):
        return [text.removeprefix(INSIDE).strip()]
    return [phrase or word for phrase, word in _WORDS.findall(text)]


def matching(text: str) -> Q:
    """A condition on cards. Words of the readings that hold, or of the file's name with its folder."""
    wanted = _match(text)
    if wanted is None:
        inside = text.removeprefix(INSIDE).strip()
        return Q(result__search__contains=inside.casefold()) | Q(original_name__icontains=inside)
    return Q(pk__in=RawSQL(_FOUND, (wanted, wanted)))  # noqa: S611


def within(value: Expression, text: str) -> Q:
    """That each of the words stands somewhere in a value; accents and case do not matter, as in the index."""
    folded = Func(value, function=indexing.FOLDED, output_field=TextField())
    conditions = (Q(Contains(folded, indexing.fold(part))) for part in parts(text))
    return reduce(and_, conditions, Q())


def stands_in(value: str, text: str) -> bool:
    """That any of the words does."""
    there = indexing.fold(value)
    return any(indexing.fold(part) in there for part in parts(text))


_FOUND = (
    f"SELECT c.id FROM {indexing.WORDS} w JOIN batches_card c ON c.result_id = w.rowid WHERE {indexing.WORDS} MATCH %s"  # noqa: S608
    f" UNION SELECT rowid FROM {indexing.NAMES} WHERE {indexing.NAMES} MATCH %s"
)


def _match(text: str) -> str | None:
    """As FTS5 takes it; None: no word index can tell."""
    words = [word for word in parts(text) if any(letter.isalnum() for letter in word)]
    if text.startswith(INSIDE) or not words or _UNSPACED.search(text):
        return None
    quoted = (word.replace('"', '""') for word in words)
    return " ".join(f'"{word}"*' for word in quoted)
