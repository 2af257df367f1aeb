"""Cards in which words stand, by PostgreSQL's indexes: SQL that gives their keys, and its values."""

from django.db import connection

from batches.models.folding import fold
from batches.models.indexing_postgres import NAMES, TO_WORDS, words_of
from batches.models.sort_keys import FOLDED

FEW = 1000

# What had been read of cards that failed all the same: a person gave them up.
_GIVEN_UP = (
    "SELECT c.id FROM batches_card c JOIN batches_cardresult r ON r.card_id = c.id"
    " WHERE c.status = 'failed' AND c.looked_at IS NOT NULL"
)
_FOUND = (
    f"SELECT c.id FROM batches_cardresult r JOIN batches_card c ON c.result_id = r.id"  # noqa: S608
    f" WHERE {TO_WORDS}(r.search) @@ %s::tsquery"
    f" UNION SELECT id FROM {NAMES} WHERE words @@ %s::tsquery"
    f" UNION SELECT card_id FROM batches_note WHERE {TO_WORDS}({FOLDED}(text)) @@ %s::tsquery AND closed_at IS NULL"
    f" UNION {_GIVEN_UP} AND {TO_WORDS}(r.search) @@ %s::tsquery"
)
_FOUND_INSIDE = (
    "SELECT c.id FROM batches_cardresult r JOIN batches_card c ON c.result_id = r.id WHERE r.search LIKE %s"  # noqa: S608
    f" UNION SELECT id FROM {NAMES} WHERE name LIKE %s"
)
# Why cards were not read is said in few ways, and notes are few: they are gone through.
_TOLD_INSIDE = (
    "SELECT id FROM batches_card WHERE status = 'failed' AND error_message IN"  # noqa: S608
    " (WITH why AS MATERIALIZED (SELECT DISTINCT error_message AS told FROM batches_card WHERE status = 'failed')"
    f" SELECT told FROM why WHERE strpos({FOLDED}(told), %s) > 0)"
    f" UNION SELECT card_id FROM batches_note WHERE closed_at IS NULL AND strpos({FOLDED}(text), %s) > 0"
    f" UNION {_GIVEN_UP} AND strpos(r.search, %s) > 0"
)


def of_words(words: list[str]) -> tuple[str, list[str]]:
    return _FOUND, [" & ".join(_begins(pieces) for word in words if (pieces := words_of(fold(word))))] * 4


def inside(folded: str) -> tuple[str, list[str]]:
    sql, values = told(folded)
    escaped = folded.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{_FOUND_INSIDE} UNION {sql}", [f"%{escaped}%"] * 2 + values


def told(folded: str) -> tuple[str, list[str]]:
    """Within what is told of a card, not what stands on it."""
    return _TOLD_INSIDE, [folded] * 3


def few(sql: str, values: list[str]) -> list[int] | None:
    """The keys, where there are so few that they are better named: None where there are more.

    How many words begin like this the planner does not know. It thinks of 2 % of all cards where there are ten, and
    goes through every card rather than look those up.
    """
    some = sql.replace(" UNION SELECT", " UNION ALL SELECT")  # which stops at the limit
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM ({some}) AS found LIMIT {FEW + 1}", values)  # noqa: S608
        found = [key for (key,) in cursor.fetchall()]
    return found if len(found) <= FEW else None


def _begins(pieces: list[str]) -> str:
    """What an index holds of a word: they stand one behind the other, and the last one begins so."""
    quoted = " <-> ".join(f"'{piece}'" for piece in pieces)
    return f"({quoted}:*)"
