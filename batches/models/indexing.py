"""What cards are sorted and searched by, kept in step by the database itself: by triggers, whoever writes a value.

`batches_cardvalue` (CardValue) holds the sort keys; full-text tables (https://www.sqlite.org/fts5.html) hold the words
of readings, of file names with why a card was not read, and of notes, and each three letters in a row of readings and
file names, to look inside words; without a copy of the text.
A migration of these tables may drop triggers with a table that is made anew, so they are laid aside before one and set
up after it, with everything indexed again. How PostgreSQL keeps the same stands in `indexing_postgres`.
"""

import logging
from typing import Any

from django.db import connections

from batches.models import indexing_postgres
from batches.models.folding import fold
from batches.models.sort_keys import FOLDED, LONGEST, OF_TEXT, SURE, TEXT_AFTER_NUMBERS

__all__ = ["FOLDED", "SURE", "TEXT_AFTER_NUMBERS", "add_functions", "lay_aside", "set_up"]
log = logging.getLogger(__name__)

WORDS = "batches_resultwords"  # rowid: a CardResult's key
NAMES = "batches_cardnames"  # rowid: a Card's key
NOTES = "batches_notewords"  # rowid: a Note's key
PARTS = "batches_resultparts"  # of the same as WORDS
NAME_PARTS = "batches_cardnameparts"
PART = 3  # characters in a row, of which an index of parts consists

_NUMBER = (
    "CASE WHEN j.value GLOB '*[0-9]' AND j.value NOT GLOB '*[^0-9.-]*' AND j.value NOT GLOB '?*-*'"
    " AND j.value NOT GLOB '*.*.*' AND j.value NOT GLOB '.*' AND j.value NOT GLOB '-.*'"
    f" THEN CAST(j.value AS REAL) ELSE {TEXT_AFTER_NUMBERS} END"
)
_OF_CARDS = """
INSERT INTO batches_cardvalue (card_id, batch_id, position, key, number, text)
  SELECT c.id, c.batch_id, c.position, j.key, {number}, substr(lower(j.value), 1, {longest})
  FROM batches_card c JOIN batches_cardresult r ON r.id = c.result_id, json_each(r."values") j
  WHERE {which} AND j.type = 'text' AND j.value <> '';
INSERT INTO batches_cardvalue (card_id, batch_id, position, key, number, text)
  SELECT c.id, c.batch_id, c.position, '', r.confidence, ''
  FROM batches_card c JOIN batches_cardresult r ON r.id = c.result_id WHERE {which} AND r.confidence IS NOT NULL;
"""


def _of_cards(which: str) -> str:
    return _OF_CARDS.format(which=which, number=_NUMBER, longest=LONGEST)


_FORGET = "DELETE FROM batches_cardvalue WHERE card_id = {card};"
_TRIGGERS = {
    "batches_card_sorted": (
        "AFTER UPDATE OF result_id, position ON batches_card"
        " WHEN NEW.result_id IS NOT OLD.result_id OR (NEW.result_id IS NOT NULL AND NEW.position <> OLD.position)",
        _FORGET.format(card="NEW.id") + _of_cards("c.id = NEW.id"),
    ),
    "batches_card_unsorted": ("AFTER DELETE ON batches_card", _FORGET.format(card="OLD.id")),
    "batches_result_sorted": (
        'AFTER UPDATE OF "values", confidence ON batches_cardresult'
        ' WHEN (NEW."values" IS NOT OLD."values" OR NEW.confidence IS NOT OLD.confidence)'
        " AND EXISTS (SELECT 1 FROM batches_card c WHERE c.id = NEW.card_id AND c.result_id = NEW.id)",
        _FORGET.format(card="NEW.card_id") + _of_cards("c.id = NEW.card_id"),
    ),
}


def _words(table: str, of: str, columns: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """The triggers of a full-text table that holds no text of its own."""
    names, new, old = (", ".join(f"{row}{column}" for column in columns) for row in ("", "NEW.", "OLD."))
    add = f"INSERT INTO {table} (rowid, {names}) VALUES (NEW.id, {new});"  # noqa: S608
    drop = f"INSERT INTO {table} ({table}, rowid, {names}) VALUES ('delete', OLD.id, {old});"  # noqa: S608
    differs = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in columns)
    changed = f"AFTER UPDATE OF {names} ON {of} WHEN {differs}"
    return {
        f"{table}_add": (f"AFTER INSERT ON {of}", add),
        f"{table}_drop": (f"AFTER DELETE ON {of}", drop),
        f"{table}_change": (changed, drop + add),
    }


# SQLite folds parts by itself only from 3.45 on, so they are taken from text that is folded already.
# Where a part stands in a text is not kept: it takes a third of the space, and what is found is looked at anyway.
_AS_WORDS = "tokenize='unicode61 remove_diacritics 2'"
_AS_PARTS = "tokenize='trigram', detail=none, columnsize=0"
FULL_TEXT = {
    WORDS: ("batches_cardresult", ("search",), _AS_WORDS),
    NAMES: ("batches_card", ("original_name", "error_message"), _AS_WORDS),
    NOTES: ("batches_note", ("text",), _AS_WORDS),
    PARTS: ("batches_cardresult", ("search",), _AS_PARTS),
    NAME_PARTS: ("batches_card", ("folded_name",), _AS_PARTS),
}
for _table, (_of, _columns, _how) in FULL_TEXT.items():
    _TRIGGERS |= _words(_table, _of, _columns)


def add_functions(sender: Any, connection: Any, **_: Any) -> None:
    """To each new connection; no trigger uses them, so that other programs can write, too."""
    if connection.vendor == "sqlite":
        connection.connection.create_function(FOLDED, 1, fold, deterministic=True)


def lay_aside(sender: Any, using: str, plan: Any, **_: Any) -> None:
    """Before a migration of the tables: it may make one anew, which triggers of another table stand in the way of."""
    if any(migration.app_label == "batches" for migration, _backwards in plan):
        with connections[using].cursor() as cursor:
            _lay_aside(cursor) if connections[using].vendor == "sqlite" else indexing_postgres.lay_aside(cursor)


def _lay_aside(cursor: Any) -> None:
    for name in _TRIGGERS:
        cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def set_up(sender: Any, using: str, **_: Any) -> None:
    """Where anything of it is missing: all of it, with every card indexed."""
    connection = connections[using]
    with connection.cursor() as cursor:
        there, make = (_is_set_up, _set_up)
        if connection.vendor == "postgresql":
            there, make = (indexing_postgres.is_set_up, indexing_postgres.set_up)
        if not there(cursor):
            log.info("Indexing the cards for searching and sorting.")
            make(cursor)


def _is_set_up(cursor: Any) -> bool:
    cursor.execute("SELECT name FROM sqlite_master")
    there = {name for (name,) in cursor.fetchall()}
    cursor.execute("SELECT name FROM pragma_table_info('batches_card')")
    earlier = "batches_cardvalue" not in there or ("folded_name",) not in cursor.fetchall()
    return earlier or {*_TRIGGERS, *FULL_TEXT} <= there  # migrated back, to tables of which this knows nothing


def _set_up(cursor: Any) -> None:
    _lay_aside(cursor)
    for table, (column, text) in OF_TEXT.items():
        folded = f"{FOLDED}({text})"
        cursor.execute(f"UPDATE {table} SET {column} = {folded} WHERE {column} <> {folded}")  # noqa: S608
    for table, (of, columns, how) in FULL_TEXT.items():
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
        cursor.execute(
            f"CREATE VIRTUAL TABLE {table} USING fts5({', '.join(columns)}, content='{of}', content_rowid='id', {how})"
        )
        cursor.execute(f"INSERT INTO {table} ({table}) VALUES ('rebuild')")  # noqa: S608
    cursor.execute("DELETE FROM batches_cardvalue")
    for statement in _of_cards("1").split(";"):
        if statement.strip():
            cursor.execute(statement)
    for name, (when, body) in _TRIGGERS.items():
        cursor.execute(f"CREATE TRIGGER {name} {when} BEGIN {body} END")
