"""Cards in which words stand, by the full-text tables: each word of the text begins a word on the card or in its name.

`mosb hakon` finds "Håkon Mosby"; words in quotation marks stand one behind the other. A star before the text looks
inside words, too, and so does a script that is written without spaces: by an index of each three letters in a row.
With fewer letters the text of every card is gone through.

Of a card that was not read it is also looked for in why, and in what had been read of it before; of any, in open notes.
"""

import re
from functools import reduce
from operator import and_

from django.db.models import Expression, Func, Q, TextField
from django.db.models.expressions import RawSQL
from django.db.models.lookups import Contains

from batches.models import indexing
from batches.models.folding import fold

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
    if wanted is not None:
        return _among(_FOUND, [wanted] * 4)
    inside = fold(text.removeprefix(INSIDE).strip())
    if len(inside) < indexing.PART:
        told = _among(_TOLD_INSIDE, [inside] * 3)
        return Q(result__search__contains=inside) | Q(folded_name__contains=inside) | told
    wanted = _match_parts(inside)
    return _among(f"{_FOUND_INSIDE} UNION {_TOLD_INSIDE}", [wanted, inside] * 2 + [inside] * 3)


def _among(keys: str, values: list[str]) -> Q:
    return Q(pk__in=RawSQL(keys, values))  # noqa: S611


def within(value: Expression, text: str) -> Q:
    """That each of the words stands somewhere in a value; accents and case do not matter, as in the index."""
    folded = Func(value, function=indexing.FOLDED, output_field=TextField())
    conditions = (Q(Contains(folded, fold(part))) for part in parts(text))
    return reduce(and_, conditions, Q())


def stands_in(value: str, text: str) -> bool:
    """That any of the words does."""
    there = fold(value)
    return any(fold(part) in there for part in parts(text))


# What had been read of cards that failed all the same: a person gave them up.
_GIVEN_UP = (
    "SELECT c.id FROM batches_card c INDEXED BY card_given_up CROSS JOIN batches_cardresult r ON r.card_id = c.id"
    " WHERE c.status = 'failed' AND c.looked_at IS NOT NULL"
)
_FOUND = (
    f"SELECT c.id FROM {indexing.WORDS} w JOIN batches_card c ON c.result_id = w.rowid WHERE {indexing.WORDS} MATCH %s"  # noqa: S608
    f" UNION SELECT rowid FROM {indexing.NAMES} WHERE {indexing.NAMES} MATCH %s"
    f" UNION SELECT n.card_id FROM {indexing.NOTES} w JOIN batches_note n ON n.id = w.rowid"
    f" WHERE {indexing.NOTES} MATCH %s AND n.closed_at IS NULL"
    f" UNION {_GIVEN_UP} AND +r.id IN (SELECT rowid FROM {indexing.WORDS} WHERE {indexing.WORDS} MATCH %s)"
)
# The index says in which texts all parts stand, not whether they do one behind the other.
_FOUND_INSIDE = (
    f"SELECT c.id FROM {indexing.PARTS} p JOIN batches_card c ON c.result_id = p.rowid"  # noqa: S608
    f" JOIN batches_cardresult r ON r.id = p.rowid WHERE {indexing.PARTS} MATCH %s AND instr(r.search, %s)"
    f" UNION SELECT c.id FROM {indexing.NAME_PARTS} p JOIN batches_card c ON c.id = p.rowid"
    f" WHERE {indexing.NAME_PARTS} MATCH %s AND instr(c.folded_name, %s)"
)
# Why cards were not read is said in few ways, and notes are few: they are gone through.
_TOLD_INSIDE = (
    "SELECT id FROM batches_card INDEXED BY card_failed WHERE status = 'failed' AND error_message IN"  # noqa: S608
    " (WITH why AS MATERIALIZED (SELECT DISTINCT error_message AS told FROM batches_card WHERE status = 'failed')"
    f" SELECT told FROM why WHERE instr({indexing.FOLDED}(told), %s))"
    f" UNION SELECT card_id FROM batches_note WHERE closed_at IS NULL AND instr({indexing.FOLDED}(text), %s)"
    f" UNION {_GIVEN_UP} AND instr(r.search, %s)"
)


def _match(text: str) -> str | None:
    """As FTS5 takes it; None: no word index can tell."""
    words = [word for word in parts(text) if any(letter.isalnum() for letter in word)]
    if text.startswith(INSIDE) or not words or _UNSPACED.search(text):
        return None
    return " AND ".join(_begins(word) for word in words)


def _begins(word: str) -> str:
    """Readings are written folded, names as they are; only where case is more than case ("ß") does that differ."""
    spellings = [word] if word.lower() == word.casefold() else [word, fold(word)]
    return f"({' OR '.join(f'{_quoted(one)}*' for one in spellings)})"


def _match_parts(inside: str) -> str:
    """All that an index of parts can tell of a folded text."""
    starts = range(len(inside) - indexing.PART + 1)
    return " AND ".join(_quoted(part) for part in dict.fromkeys(inside[n : n + indexing.PART] for n in starts))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
