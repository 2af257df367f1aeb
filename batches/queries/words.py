"""Cards in which words stand, by the full-text tables: each word of the text begins a word on the card or in its name.

`mosb hakon` finds "Håkon Mosby"; words in quotation marks stand one behind the other. A star before the text looks
inside words, too, and so does a script that is written without spaces: then the text of every card is gone through.
"""

import re

from django.db.models import Q
from django.db.models.expressions import RawSQL

from batches.models.indexing import NAMES, WORDS

INSIDE = "*"
_WORDS = re.compile(r'"([^"]+)"|(\S+)')
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def matching(text: str) -> Q:
    """A condition on cards. Words of the readings that hold, or of the file's name with its folder."""
    wanted = _match(text)
    if wanted is None:
        inside = text.removeprefix(INSIDE).strip()
        return Q(result__search__contains=inside.casefold()) | Q(original_name__icontains=inside)
    return Q(pk__in=RawSQL(_FOUND, (wanted, wanted)))  # noqa: S611


_FOUND = (
    f"SELECT c.id FROM {WORDS} w JOIN batches_card c ON c.result_id = w.rowid WHERE {WORDS} MATCH %s"  # noqa: S608
    f" UNION SELECT rowid FROM {NAMES} WHERE {NAMES} MATCH %s"
)


def _match(text: str) -> str | None:
    """As FTS5 takes it; None: no word index can tell."""
    words = [phrase or word for phrase, word in _WORDS.findall(text)]
    words = [word for word in words if any(letter.isalnum() for letter in word)]
    if text.startswith(INSIDE) or not words or _UNSPACED.search(text):
        return None
    quoted = (word.replace('"', '""') for word in words)
    return " ".join(f'"{word}"*' for word in quoted)
