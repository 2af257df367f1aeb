"""Cards in which words stand, by SQLite's full-text tables: SQL that gives their keys, and its values."""

from batches.models import indexing
from batches.models.folding import fold

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


def of_words(words: list[str]) -> tuple[str, list[str]]:
    """As FTS5 takes it."""
    return _FOUND, [" AND ".join(_begins(word) for word in words)] * 4


def inside(folded: str) -> tuple[str, list[str]]:
    sql, values = told(folded)
    return f"{_FOUND_INSIDE} UNION {sql}", [_match_parts(folded), folded] * 2 + values


def told(folded: str) -> tuple[str, list[str]]:
    """Within what is told of a card, not what stands on it."""
    return _TOLD_INSIDE, [folded] * 3


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
