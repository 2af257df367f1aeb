"""From a model's reply to readings. The right fields or the right error, never half a guess."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from ocr import schema
from ocr.engines.base import ReadTask
from ocr.errors import ReplyEmpty, ReplyInvalid, ReplyTruncated
from ocr.fields import FieldSpec, FieldType
from ocr.reading import FieldReading, ValueState

LONGEST = 2_000_000  # characters
_MENDED = 200_000  # characters of a reply that is mended at most
_STARTS = 1000  # places in a reply with prose where an object is looked for

# Possessive: linear on whatever comes. A string without its end runs to the end of the reply.
_STRING = r'"(?:[^"\\]++|\\.?)*+(?:"|\Z)'
_COMMAS = re.compile(rf"({_STRING})|,(?=\s*+[}}\]])", re.DOTALL)
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
_NOTHING = {"", "null", "NULL", "<null>"}


class _Number(str):
    """A number as it was written: 1981, and not 1981.0; never too long to convert."""

    __slots__ = ()


def parse(reply: str, task: ReadTask, *, finish_reason: str = "") -> tuple[Mapping[str, FieldReading], str]:
    """The reading of each field that was asked for, and the transcription. Raises ReplyInvalid and its kinds."""
    if finish_reason == "content_filter":
        raise ReplyEmpty("The model's filter held the answer back.")
    if finish_reason == "length":
        raise ReplyTruncated("The answer was cut off: it reached the limit of its length.")
    if len(reply) > LONGEST:
        raise ReplyInvalid(f"The answer is longer than {LONGEST:,} characters.")
    text = _without_thoughts(reply.removeprefix("\ufeff")).strip()
    if not text:
        raise ReplyEmpty("The answer is empty.")
    try:
        return _readings(_object(text, task), task)
    except RecursionError:
        raise ReplyInvalid("The answer is nested too deeply.") from None


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
    wanted = _names(task)
    found: list[dict[str, Any]] = []
    some_json = False
    for value in _values(text):
        some_json = True
        candidate = _unwrapped(value, wanted)
        if candidate is not None and candidate not in found:
            found.append(candidate)
    if len(found) > 1:
        raise ReplyInvalid("The answer gives several different readings of the card.")
    if found:
        return found[0]
    if some_json:
        raise ReplyInvalid("The answer is JSON, but has none of the fields that were asked for.")
    if _REFUSAL.match(text):
        raise ReplyEmpty("The model refused to read this card.")
    raise ReplyInvalid("The answer is not valid JSON." if "{" in text else "The answer is not JSON.")


def _values(text: str) -> list[Any]:
    """The JSON objects in the reply, whatever fences or prose stand around them."""
    if values := _objects(text):
        return values
    # A comma after the last value is common and harmless. Amid prose, a lone quotation mark would lead astray.
    if len(text) > _MENDED or not text.startswith(("{", "[", "```")):
        return []
    mended = _COMMAS.sub(lambda found: found[1] or "", text)
    return _objects(mended) if mended != text else []


def _objects(text: str) -> list[Any]:
    """Each part is read once: the search goes on where the last object ended or broke."""
    values: list[Any] = []
    place = 0
    for _ in range(_STARTS):
        place = text.find("{", place)
        if place < 0:
            break
        try:
            value, place = _DECODER.raw_decode(text, place)
        except json.JSONDecodeError as error:
            if error.msg.startswith("Unterminated") or not text[error.pos :].strip():
                raise ReplyInvalid("The answer is not valid JSON: it breaks off.") from None
            place = max(place + 1, error.pos)
        else:
            values.append(value)
    return values


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs) and any(made[key] != value for key, value in pairs):
        raise ReplyInvalid("The answer gives a field twice, differently.")
    return made


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_int=_Number, parse_float=_Number, parse_constant=lambda _name: None, strict=False
)


def _names(task: ReadTask) -> dict[str, str]:
    """Under which names a field may stand: its key, or its label where that is nobody else's."""
    names: dict[str, str] = {}
    for spec in task.fields:
        names.setdefault(spec.label.casefold().strip(), spec.key)
    names.update({spec.key.casefold(): spec.key for spec in task.fields})
    names.update({spec.key: spec.key for spec in task.fields})
    return names


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


def _readings(reply: dict[str, Any], task: ReadTask) -> tuple[Mapping[str, FieldReading], str]:
    names = _names(task)
    values: dict[str, Any] = {}
    for name in sorted(reply, key=lambda name: name in names):  # the exact name goes last and holds
        if key := _key(name, names):
            values[key] = reply[name]
    said = _confidences(reply, names)
    fields = {spec.key: _reading(spec, values.get(spec.key), said.get(spec.key)) for spec in task.fields}
    transcription = reply.get(schema.transcription_key(task)) if task.options.transcribe else None
    return fields, transcription if type(transcription) is str else ""


def _confidences(reply: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """By field key, from `<key>__confidence`, `<key>_confidence` or an object `confidence`."""
    said: dict[str, Any] = {}
    for name, number in reply.items():
        for ending in ("_confidence", schema.CONFIDENCE):
            if name.endswith(ending) and name not in names and (key := _key(name.removesuffix(ending), names)):
                said[key] = number
    inside = reply.get("confidence") if "confidence" not in names else None
    if isinstance(inside, dict):
        for name, number in inside.items():
            if key := _key(name, names):
                said.setdefault(key, number)
    return said


def _reading(spec: FieldSpec, value: Any, certainty: Any) -> FieldReading:
    if isinstance(value, dict):
        certainty = value.get("confidence", certainty)
        value = _inner(value)
    text = _text(spec, value)
    if text is None or text.strip() in _NOTHING:
        return FieldReading(None, None, ValueState.ABSENT, confidence=_certainty(certainty))
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
    if not isinstance(said, _Number):
        return None
    number = float(said)
    if not math.isfinite(number):
        return None
    return min(1.0, max(0.0, number / 100 if 2 <= number <= 100 else number))
