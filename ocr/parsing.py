"""From a model's reply to readings. The right fields or the right error, never half a guess."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ocr import loops, repair, schema
from ocr.engines.base import ReadTask
from ocr.errors import ReplyEmpty, ReplyInvalid, ReplyLooping, ReplyTruncated
from ocr.fields import FieldSpec, FieldType
from ocr.reading import FieldReading, ValueState

LONGEST = 2_000_000  # characters
MOST_ENTRIES = 200  # on one card
_STARTS = 1000  # places in a reply with prose where an object is looked for

_NAMED = re.compile(r"""\{\s*+(?:/[/*]|(?:"[^"]{0,200}+"|'[^']{0,200}+'|\w{1,200}+)\s*+:)""")  # so begins an object
_THINKING = re.compile(r"\s*<(think|thinking|reasoning|thought)>", re.IGNORECASE)
_THOUGHT = re.compile(r"</(?:think|thinking|reasoning|thought)>", re.IGNORECASE)
_REFUSAL = re.compile(
    r"\W*(?:i['’]?m (?:very |really )?sorry|i am (?:very )?sorry|sorry|i apologi[sz]e|unfortunately"
    r"|i (?:can['’]?t|cannot|can not|won['’]?t|am unable|am not able)|i['’]m (?:unable|not able)"
    r"|as an ai|es tut mir leid|tut mir leid|leider|entschuldigung|ich kann (?:dabei |hier )?(?:leider )?nicht"
    r"|je suis désolé|désolé|beklager)\b",
    re.IGNORECASE,
)
_UNWRAPPED = ("fields", "result", "results", "data", "values", "card", "output", "response", "answer", "properties")
_NULL = {"null", "NULL", "<null>"}
_LOOPING = "The answer says the same over and over."
_OTHER_FIELDS = "The answer is JSON, but has none of the fields that were asked for."


class Parsed(NamedTuple):
    """What a reply says: one reading for each field that was asked for, and what was asked for besides.

    entries: where several may stand on a card, those in which something stands; the first one's fields are the card's.
    """

    fields: Mapping[str, FieldReading]
    transcription: str = ""
    pictures: str = ""
    summary: str = ""
    entries: tuple[Mapping[str, FieldReading], ...] | None = None
    unknown_keys: int = 0  # dropped


def parse(reply: str, task: ReadTask, *, finish_reason: str = "") -> Parsed:
    """The right fields, or ReplyInvalid and its kinds."""
    _check_end(reply, finish_reason)
    text = _without_thoughts(reply.removeprefix("\ufeff")).strip()
    if not text:
        raise ReplyEmpty("The answer is empty.")
    try:
        parsed = _readings(_object(text, task), task)
    except (ReplyInvalid, RecursionError) as error:
        # A server that ends a loop does not always call the answer cut off.
        if not isinstance(error, ReplyEmpty) and loops.ends_in_a_loop(text, counting=True):
            raise ReplyLooping(_LOOPING) from None
        if isinstance(error, RecursionError):
            raise ReplyInvalid("The answer is nested too deeply.") from None
        raise
    if any(map(loops.ends_in_a_loop, _said(parsed))):
        raise ReplyLooping(_LOOPING)
    return parsed


def _said(parsed: Parsed) -> Iterator[str]:
    """Every text of a reply, and its entries as one."""
    entries = parsed.entries or (parsed.fields,)
    for entry in entries:
        yield from (field.verbatim or "" for field in entry.values())
    yield from (parsed.transcription, parsed.pictures, parsed.summary)
    yield "\n".join(field.verbatim or "" for entry in entries[1:] for field in entry.values())


def _check_end(reply: str, finish_reason: str) -> None:
    """Raise where the reply was stopped, not ended."""
    if finish_reason == "content_filter":
        raise ReplyEmpty("The model's filter held the answer back.")
    cut = finish_reason == "length"
    if (cut or len(reply) > LONGEST) and loops.ends_in_a_loop(reply, counting=True):
        raise ReplyLooping(_LOOPING)
    if cut:
        raise ReplyTruncated("The answer was cut off: it reached the limit of its length.")
    if len(reply) > LONGEST:
        raise ReplyInvalid(f"The answer is longer than {LONGEST:,} characters.")


def _without_thoughts(reply: str) -> str:
    if opened := _THINKING.match(reply):
        ended = _THOUGHT.search(reply, opened.end())
        return reply[ended.end() :] if ended else ""
    ended = _THOUGHT.search(reply)
    if ended and not reply.lstrip().startswith(("{", "[", "```")):
        return reply[ended.end() :]
    return reply


def _object(text: str, task: ReadTask) -> dict[str, Any]:
    """The one object in the reply that has fields that were asked for."""
    wanted = _known(task)
    values, broken = _objects(text)
    if broken or (not values and "{" in text and not _REFUSAL.match(text)):
        return _repaired(text, task)
    found: list[dict[str, Any]] = []
    for value in values:
        candidate = _unwrapped(value, wanted)
        if candidate is not None and candidate not in found:
            found.append(candidate)
    if len(found) > 1:
        raise ReplyInvalid(_several(task))
    if found:
        return found[0]
    if values:
        raise ReplyInvalid(_OTHER_FIELDS)
    if _REFUSAL.match(text):
        raise ReplyEmpty("The model refused to read this card.")
    raise ReplyInvalid("The answer is not JSON.")


def _several(task: ReadTask) -> str:
    if name := schema.extras(task).get(schema.ENTRIES):
        return f'The answer gives several objects: one is wanted, with all entries in its list "{name}".'
    return "The answer gives several different readings of the card."


def _objects(text: str) -> tuple[list[Any], bool]:
    """The JSON objects in the reply, whatever fences or prose stand around them; whether one of them is broken.

    Each part is read once: the search goes on where the last object ended.
    """
    values: list[Any] = []
    place = 0
    for _ in range(_STARTS):
        place = text.find("{", place)
        if place < 0:
            break
        try:
            value, place = _DECODER.raw_decode(text, place)
        except json.JSONDecodeError as error:
            if _NAMED.match(text, place) or not text[error.pos :].strip():
                return values, True
            place = max(place + 1, error.pos)
        else:
            values.append(value)
    return values, False


def _repaired(text: str, task: ReadTask) -> dict[str, Any]:
    """The object whose punctuation is wrong, where it is plain what was meant."""
    try:
        found = repair.repaired(text)
    except repair.Doubtful:
        raise ReplyInvalid("The answer is not valid JSON.") from None
    candidate = _unwrapped(found.value, _known(task))
    if candidate is None:
        raise ReplyInvalid(_OTHER_FIELDS)
    if not found.closed and not _whole(candidate, task):
        raise ReplyInvalid("The answer is not valid JSON: it breaks off.")
    return candidate


def _whole(reply: Mapping[str, Any], task: ReadTask) -> bool:
    """Whether everything that was asked for is there, though the end is missing. A list that is there is closed."""
    if not all(name in reply for name in schema.extras(task).values()):
        return False
    there = {_key(name, _names(task)) for name in reply}
    return task.options.multiple_entries or all(spec.key in there for spec in task.fields)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs) and any(made[key] != value for key, value in pairs):
        raise ReplyInvalid("The answer gives a field twice, differently.")
    return made


# A model that loops writes the same number a million times: one object serves them all.
_number = lru_cache(4096)(repair.Number)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs,
    parse_int=_number,
    parse_float=_number,
    parse_constant=lambda _name: None,
    strict=False,
)


def _names(task: ReadTask) -> dict[str, str]:
    """Under which names a field may stand: its key, or its label where that is nobody else's."""
    names: dict[str, str] = {}
    for spec in task.fields:
        names.setdefault(spec.label.casefold().strip(), spec.key)
    names.update({spec.key.casefold(): spec.key for spec in task.fields})
    names.update({spec.key: spec.key for spec in task.fields})
    return names


def _known(task: ReadTask) -> dict[str, str]:
    """By which names the object is known: those of the fields, or that of the list of entries."""
    listed = schema.extras(task).get(schema.ENTRIES)
    return _names(task) | ({listed: listed} if listed else {})


def _key(name: str, names: Mapping[str, str]) -> str | None:
    return names.get(name) or names.get(name.casefold().strip())


def _unwrapped(value: Any, names: Mapping[str, str], *, deep: bool = True) -> dict[str, Any] | None:
    """The object with the fields: itself, the only one of a list, or one inside a wrapper."""
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if not isinstance(value, dict):
        return None
    if any(_key(name, names) for name in value):
        return value
    for wrapper in _UNWRAPPED if deep else ():
        inside = _unwrapped(value.get(wrapper), names, deep=False)
        if inside is not None:
            beside = {name: other for name, other in value.items() if name != wrapper}
            return {**beside, **inside}
    return None


def _readings(reply: dict[str, Any], task: ReadTask) -> Parsed:
    names, besides = _names(task), schema.extras(task)
    if task.options.multiple_entries:
        entries, unknown = _several_fields(reply, task, names)
        fields = entries[0] if entries else {spec.key: _reading(spec, None, None) for spec in task.fields}
    else:
        entries, (fields, unknown) = None, _fields(reply, task, names)
    return Parsed(
        fields,
        transcription=_prose(schema.TRANSCRIPTION, reply, besides),
        pictures=_prose(schema.PICTURES, reply, besides),
        summary=_prose(schema.SUMMARY, reply, besides),
        entries=entries,
        unknown_keys=unknown,
    )


def _several_fields(
    reply: dict[str, Any], task: ReadTask, names: Mapping[str, str]
) -> tuple[tuple[Mapping[str, FieldReading], ...], int]:
    """The entries in which something stands, and the number of keys that nobody asked for."""
    found = [_fields(entry, task, names) for entry in _entries(reply, task, names)]
    unknown = sum(unknown for _read, unknown in found)
    besides = schema.extras(task)
    if besides[schema.ENTRIES] in reply:
        unknown += sum(name not in besides.values() and _key(name, names) is None for name in reply)
    return tuple(fields for fields, _unknown in found if any(map(_stands, fields.values()))), unknown


def _stands(field: FieldReading) -> bool:
    return field.state is not ValueState.ABSENT


def _entries(reply: dict[str, Any], task: ReadTask, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The objects in the list of entries; a reply without that list is one entry."""
    name = schema.extras(task)[schema.ENTRIES]
    if name not in reply:
        if not any(_key(other, names) for other in reply):
            raise ReplyInvalid(_OTHER_FIELDS)
        return [reply]
    listed = reply[name]
    if any(value is not None and _key(other, names) for other, value in reply.items()):
        raise ReplyInvalid(f'The answer gives fields beside the list "{name}", which has all of them.')
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise ReplyInvalid(f'In the answer "{name}" is no list of objects.')
    if len(listed) > MOST_ENTRIES:
        raise ReplyInvalid(f"The answer gives more than {MOST_ENTRIES} entries.")
    if not all(any(_key(other, names) for other in entry) for entry in listed):
        raise ReplyInvalid(f'The answer has in "{name}" none of the fields that were asked for.')
    return listed


def _prose(kind: str, reply: Mapping[str, Any], besides: Mapping[str, str]) -> str:
    """A text that was asked for besides the fields, perhaps given as lines."""
    said = reply.get(besides[kind]) if kind in besides else None
    lines = said if isinstance(said, list) else [said]
    if not all(line is None or isinstance(line, str) for line in lines):
        raise ReplyInvalid(f'In the answer "{besides[kind]}" is no text.')
    return "\n".join(str(line) for line in lines if line is not None and line.strip() not in _NULL)


def _fields(reply: dict[str, Any], task: ReadTask, names: Mapping[str, str]) -> tuple[Mapping[str, FieldReading], int]:
    """A reading of each field, and the number of keys that nobody asked for."""
    values: dict[str, Any] = {}
    for name in sorted(reply, key=lambda name: name in names):  # the exact name goes last and holds
        if key := _key(name, names):
            values[key] = reply[name]
    said, known = _confidences(reply, names)
    fields = {spec.key: _reading(spec, values.get(spec.key), said.get(spec.key)) for spec in task.fields}
    known |= set(schema.extras(task).values())
    unknown = sum(name not in known and _key(name, names) is None for name in reply)
    return fields, unknown


def _confidences(reply: Mapping[str, Any], names: Mapping[str, str]) -> tuple[dict[str, Any], set[str]]:
    """By field key, from `<key>__confidence`, `<key>_confidence` or an object `confidence`; and their names."""
    said: dict[str, Any] = {}
    known: set[str] = set()
    for name, number in reply.items():
        for ending in ("_confidence", schema.CONFIDENCE):
            if name.endswith(ending) and name not in names and (key := _key(name.removesuffix(ending), names)):
                said[key] = number
                known.add(name)
    inside = reply.get("confidence") if "confidence" not in names else None
    if isinstance(inside, dict):
        known.add("confidence")
        for name, number in inside.items():
            if key := _key(name, names):
                said.setdefault(key, number)
    return said, known


def _reading(spec: FieldSpec, value: Any, certainty: Any) -> FieldReading:
    if isinstance(value, dict):
        certainty = value.get("confidence", certainty)
        value = _inner(value)
    text = _text(spec, value)
    if text is None or text.strip() in _NULL:
        return FieldReading(None, None, ValueState.ABSENT, confidence=_certainty(certainty))
    if not text.strip():  # named, but nothing stands there
        return FieldReading("", None, ValueState.ABSENT, confidence=_certainty(certainty))
    return FieldReading(text, text, confidence=_certainty(certainty))


def _inner(value: dict[str, Any]) -> Any:
    for name in ("value", "text", "verbatim"):
        if name in value:
            return value[name]
    raise ReplyInvalid("The answer gives an object where a value was asked for.")


def _text(spec: FieldSpec, value: Any) -> str | None:
    """A value as text: a number as written, a list joined, null as None."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list):
        parts = [_text(spec, part) for part in value if not isinstance(part, list)]
        if len(parts) == len(value):
            return ("\n" if spec.type is FieldType.MULTILINE else "; ").join(part for part in parts if part)
    raise ReplyInvalid("The answer gives an object or a list where a value was asked for.")


def _certainty(said: Any) -> float | None:
    """0 to 1; a number from 2 to 100 was meant in percent. A text is no number."""
    if not isinstance(said, repair.Number):
        return None
    number = float(said)
    if not math.isfinite(number):
        return None
    return min(1.0, max(0.0, number / 100 if 2 <= number <= 100 else number))
