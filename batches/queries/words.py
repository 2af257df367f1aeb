"""Cards in which words stand, by the full-text tables: each word of the text begins a word on the card or in its name.

`mosb hakon` finds "Håkon Mosby"; words in quotation marks stand one behind the other. A star before the text looks
inside words, too, and so does a script that is written without spaces: by an index of each three letters in a row.
With fewer letters the text of every card is gone through.

Of a card that was not read it is also looked for in why, and in what had been read of it before; of any, in open notes.
"""

import re
from functools import reduce
from operator import and_

from django.db import connection
from django.db.models import Expression, Func, Q, TextField
from django.db.models.expressions import RawSQL
from django.db.models.lookups import Contains

from batches.models import indexing
from batches.models.folding import fold
from batches.queries import words_postgres, words_sqlite

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
    index = words_postgres if connection.vendor == "postgresql" else words_sqlite
    words = _words(text)
    if words is not None:
        return _among(index.of_words(words))
    inside = fold(text.removeprefix(INSIDE).strip())
    if len(inside) < indexing.PART:
        return Q(result__search__contains=inside) | Q(folded_name__contains=inside) | _among(index.told(inside))
    return _among(index.inside(inside))


def _among(keys: tuple[str, list[str]]) -> Q:
    few = words_postgres.few(*keys) if connection.vendor == "postgresql" else None
    return Q(pk__in=RawSQL(*keys) if few is None else few)  # noqa: S611


def within(value: Expression, text: str) -> Q:
    """That each of the words stands somewhere in a value; accents and case do not matter, as in the index."""
    folded = Func(value, function=indexing.FOLDED, output_field=TextField())
    conditions = (Q(Contains(folded, fold(part))) for part in parts(text))
    return reduce(and_, conditions, Q())


def stands_in(value: str, text: str) -> bool:
    """That any of the words does."""
    there = fold(value)
    return any(fold(part) in there for part in parts(text))


def _words(text: str) -> list[str] | None:
    """None: no word index can tell."""
    words = [word for word in parts(text) if any(letter.isalnum() for letter in word)]
    return None if text.startswith(INSIDE) or not words or _UNSPACED.search(text) else words
