"""What `indexing` keeps in SQLite, kept in PostgreSQL: the same cards are found, in the same order.

Sort keys come by triggers. Texts are taken apart into words by a function of ours, not by PostgreSQL's own parser, so
that both databases know the same words; parts of words are found by pg_trgm. Readings and notes are indexed where they
stand. Names have a table beside the cards, which are written several times while they are read, and with each time all
indexes of their table are.

Raise VERSION with any change here: everything is then set up anew when the database is prepared.
"""

import sys
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

from batches.models.folding import fold
from batches.models.sort_keys import FOLDED, LONGEST, OF_TEXT, TEXT_AFTER_NUMBERS

VERSION = "1"
NAMES = "batches_cardnames"  # id: a Card's key
TO_WORDS = "cardocr_words"  # a folded text as a tsvector
WITH_TEXT = ("batches_card", "batches_cardresult", "batches_cardvalue", "batches_fieldrevision", "batches_note", NAMES)
CHANNEL = "cardocr_changed"
BETWEEN = "\ue000"  # a word that nobody types: no phrase reaches across it
UNICODE = '"und-x-icu"'
_LONGEST_WORD = 400  # letters; PostgreSQL takes 2,046 bytes
_LAST_PLACE = 16_383  # of a word in a text, as PostgreSQL counts them
_BELOW = ("\u0345", "\u03b9")  # the one mark that becomes a letter: Greek's iota below others


def is_letter(character: str) -> bool:
    """Of a word, as the word index of SQLite takes texts apart."""
    category = unicodedata.category(character)
    return category[0] in "LN" or category == "Co"


def words_of(folded: str) -> list[str]:
    kept = (character if is_letter(character) else " " for character in folded)
    return [word[:_LONGEST_WORD] for word in "".join(kept).split()]


def _ranges(wanted: Callable[[str], bool]) -> str:
    """As a regular expression writes them in brackets."""
    found: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if wanted(chr(code)):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"\\U{first:08x}" + (f"-\\U{last:08x}" if last > first else "") for first, last in found)


def _decomposed(character: str) -> str:
    """What the function makes of it before its exceptions."""
    lowered = unicodedata.normalize("NFD", unicodedata.normalize("NFD", character).replace(*_BELOW).lower())
    return "".join(letter for letter in lowered if not unicodedata.combining(letter))


def _exceptions() -> Iterable[tuple[str, str]]:
    """Where case is more than small letters: ß and ss."""
    for code in range(128, sys.maxunicode + 1):
        character = chr(code)
        if not 0xD800 <= code <= 0xDFFF and not unicodedata.combining(character):
            made, wanted = _decomposed(character), fold(character)
            if made != wanted and len(made) == 1:
                yield made, wanted


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _folded() -> str:
    exceptions = dict(_exceptions())
    single = {one: other for one, other in exceptions.items() if len(other) == 1}
    marks = _ranges(lambda letter: bool(unicodedata.combining(letter)))
    below = ", ".join(_literal(letter) for letter in _BELOW)
    sql = f'normalize(lower(replace(normalize(given, NFD), {below}) COLLATE {UNICODE}) COLLATE "C", NFD)'
    sql = f"translate({_without(sql, marks)}, {_literal(''.join(single))}, {_literal(''.join(single.values()))})"
    for one, other in exceptions.items():
        if len(other) != 1:
            sql = f"replace({sql}, {_literal(one)}, {_literal(other)})"
    return sql


def _without(sql: str, characters: str) -> str:
    return f"regexp_replace({sql}, '[{characters}]', '', 'g')"


_FUNCTION = "LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $body$"


def _functions() -> dict[str, str]:
    """By signature. Made of what Python knows of Unicode, as `fold` is; that takes a second."""
    return {
        f"{FOLDED}(given text)": f"""RETURNS text {_FUNCTION}
  SELECT CASE WHEN octet_length(given) = char_length(given) THEN lower(given COLLATE "C") ELSE {_folded()} END
$body$""",
        f"{TO_WORDS}(folded text)": f"""RETURNS tsvector {_FUNCTION}
  SELECT coalesce(string_agg(
    '''' || left(word, {_LONGEST_WORD}) || ''':' || least(place, {_LAST_PLACE}), ' '
  ), '')::tsvector
  FROM regexp_split_to_table(folded, CASE WHEN octet_length(folded) = char_length(folded)
    THEN '[^0-9A-Za-z]+' ELSE '[^{_ranges(is_letter)}]+' END) WITH ORDINALITY AS split (word, place)
  WHERE word <> ''
$body$""",  # noqa: S608
        "cardocr_number(given text)": f"""RETURNS double precision {_FUNCTION}
  SELECT CASE WHEN given ~ '^-?[0-9]+([.][0-9]+)?$'
    THEN round(least(greatest(left(given, 400)::numeric, -1e308), 1e308), 300)::double precision
    ELSE {TEXT_AFTER_NUMBERS} END
$body$""",
        "cardocr_sort_card(of_card bigint)": f"""RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
  DELETE FROM batches_cardvalue WHERE card_id = of_card;
  {_of_cards("c.id = of_card")}
END
$body$""",  # noqa: S608
        "cardocr_card_sorted()": _trigger("PERFORM cardocr_sort_card(NEW.id);"),
        "cardocr_card_unsorted()": _trigger("DELETE FROM batches_cardvalue WHERE card_id = OLD.id;"),
        "cardocr_result_sorted()": _trigger(
            "IF EXISTS (SELECT 1 FROM batches_card c WHERE c.id = NEW.card_id AND c.result_id = NEW.id)"
            " THEN PERFORM cardocr_sort_card(NEW.card_id); END IF;"
        ),
        "cardocr_card_named()": _trigger(
            f"INSERT INTO {NAMES} (id, name, words) VALUES (NEW.id, NEW.folded_name, {_words_of_card('NEW')})"  # noqa: S608
            " ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, words = EXCLUDED.words;"
        ),
        "cardocr_card_unnamed()": _trigger(f"DELETE FROM {NAMES} WHERE id = OLD.id;"),  # noqa: S608
        "cardocr_cards_emptied()": _trigger(f"TRUNCATE {NAMES};"),
        "cardocr_batch_changed()": _trigger(f"PERFORM pg_notify('{CHANNEL}', '');"),
    }


def _trigger(body: str) -> str:
    return f"RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN {body} RETURN NULL; END $body$"


def _words_of_card(row: str) -> str:
    return f"{TO_WORDS}({row}.folded_name || ' {BETWEEN} ' || {FOLDED}({row}.error_message))"


def _of_cards(which: str) -> str:
    return f"""
  INSERT INTO batches_cardvalue (card_id, batch_id, position, key, number, text)
    SELECT c.id, c.batch_id, c.position, j.key, cardocr_number(j.value #>> '{{}}'),
      left(lower((j.value #>> '{{}}') COLLATE "C"), {LONGEST})
    FROM batches_card c JOIN batches_cardresult r ON r.id = c.result_id, jsonb_each(r."values") j
    WHERE {which} AND jsonb_typeof(j.value) = 'string' AND j.value <> '""';
  INSERT INTO batches_cardvalue (card_id, batch_id, position, key, number, text)
    SELECT c.id, c.batch_id, c.position, '', r.confidence, ''
    FROM batches_card c JOIN batches_cardresult r ON r.id = c.result_id WHERE {which} AND r.confidence IS NOT NULL;"""  # noqa: S608


_TRIGGERS = {
    "batches_card_sorted": (
        "AFTER UPDATE OF result_id, position ON batches_card FOR EACH ROW WHEN (NEW.result_id IS DISTINCT FROM"
        " OLD.result_id OR (NEW.result_id IS NOT NULL AND NEW.position <> OLD.position))",
        "cardocr_card_sorted",
    ),
    "batches_card_unsorted": ("AFTER DELETE ON batches_card FOR EACH ROW", "cardocr_card_unsorted"),
    "batches_result_sorted": (
        'AFTER UPDATE OF "values", confidence ON batches_cardresult FOR EACH ROW WHEN (NEW."values" IS DISTINCT FROM'
        ' OLD."values" OR NEW.confidence IS DISTINCT FROM OLD.confidence)',
        "cardocr_result_sorted",
    ),
    f"{NAMES}_add": ("AFTER INSERT ON batches_card FOR EACH ROW", "cardocr_card_named"),
    f"{NAMES}_change": (
        "AFTER UPDATE OF folded_name, error_message ON batches_card FOR EACH ROW WHEN (NEW.folded_name <>"
        " OLD.folded_name OR NEW.error_message <> OLD.error_message)",
        "cardocr_card_named",
    ),
    f"{NAMES}_drop": ("AFTER DELETE ON batches_card FOR EACH ROW", "cardocr_card_unnamed"),
    f"{NAMES}_empty": ("AFTER TRUNCATE ON batches_card FOR EACH STATEMENT", "cardocr_cards_emptied"),
    # Each change that anybody sees is one of its batch, too.
    "batches_batch_told": (
        "AFTER INSERT OR UPDATE OR DELETE ON batches_batch FOR EACH STATEMENT",
        "cardocr_batch_changed",
    ),
}
_INDEXES = {
    "batches_result_words": f"batches_cardresult USING gin ({TO_WORDS}(search))",
    "batches_result_parts": "batches_cardresult USING gin (search gin_trgm_ops)",
    "batches_note_words": f"batches_note USING gin ({TO_WORDS}({FOLDED}(text)))",
    f"{NAMES}_words": f"{NAMES} USING gin (words)",
    f"{NAMES}_parts": f"{NAMES} USING gin (name gin_trgm_ops)",
}


def lay_aside(cursor: Any) -> None:
    for name, (when, _function) in _TRIGGERS.items():
        cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {_table(when)}")


def _table(when: str) -> str:
    return when.split(" ON ")[1].split()[0]


def is_set_up(cursor: Any) -> bool:
    """Or there is nothing to set up: the tables are those of an earlier version."""
    cursor.execute(
        "SELECT to_regclass('batches_cardvalue') IS NULL OR NOT EXISTS (SELECT 1 FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = 'batches_card' AND column_name = 'folded_name')"
    )
    if cursor.fetchone()[0]:
        return True
    cursor.execute(
        "SELECT (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname = ANY(%s)"  # noqa: S608
        " AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)),"
        f" obj_description(to_regclass('{NAMES}'), 'pg_class')",
        [list(_TRIGGERS)],
    )
    return bool(cursor.fetchone() == (len(_TRIGGERS), VERSION))


def set_up(cursor: Any) -> None:
    """All of it, with every card indexed."""
    cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what waits for the end of a transaction stands in the way
    lay_aside(cursor)
    for name in _INDEXES:
        cursor.execute(f"DROP INDEX IF EXISTS {name}")
    for signature, body in _functions().items():
        cursor.execute(f"CREATE OR REPLACE FUNCTION {signature} {body}")
    for table, (column, text) in OF_TEXT.items():
        cursor.execute(f"UPDATE {table} SET {column} = {FOLDED}({text}) WHERE {column} <> {FOLDED}({text})")  # noqa: S608
    columns = "id bigint PRIMARY KEY, name text NOT NULL, words tsvector NOT NULL"
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {NAMES} ({columns})")
    cursor.execute(f"TRUNCATE {NAMES}")
    cursor.execute(f"INSERT INTO {NAMES} SELECT id, folded_name, {_words_of_card('c')} FROM batches_card c")  # noqa: S608
    for name, what in _INDEXES.items():
        cursor.execute(f"CREATE INDEX {name} ON {what}")
    cursor.execute("DELETE FROM batches_cardvalue")
    for statement in _of_cards("true").split(";"):
        if statement.strip():
            cursor.execute(statement)
    for name, (when, function) in _TRIGGERS.items():
        cursor.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {function}()")
    cursor.execute(f"COMMENT ON TABLE {NAMES} IS '{VERSION}'")
    cursor.execute("SET CONSTRAINTS ALL DEFERRED")
