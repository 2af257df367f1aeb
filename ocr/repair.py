"""JSON with its punctuation wrong: put right by json_repair, and taken only where no name and no value changed by it.

The library guesses where it must. So each name and each value of what it made has to stand in the reply just so, in the
same order, in quotation marks that are closed, or be a number or a constant.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import json_repair

LONGEST = 100_000  # characters of a reply that is repaired at most
_DEEPEST = 8

_TOKEN = re.compile(
    r"""\s++ | //[^\n]*+ | /\*.*?\*/
    | (?P<mark>[{}\[\],:])
    | (?P<quoted>"(?:[^"\\]|\\.)*+" | '(?:[^'\\]|\\.)*+')
    | (?P<word>[\w.+$-]++)""",
    re.DOTALL | re.VERBOSE,
)
_ESCAPED = re.compile(r'\\.|"', re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_CONSTANTS = {"null": None, "None": None, "NaN": None, "true": True, "True": True, "false": False, "False": False}
_CLOSES = {"}": "{", "]": "["}


class Number(str):
    """A number as it was written: 1981, and not 1981.0; never too long to convert."""

    __slots__ = ()


class Doubtful(ValueError):
    """Nothing, or more than one thing, may have been meant."""


@dataclass(frozen=True, slots=True)
class Repaired:
    value: Any
    closed: bool  # False: the end of the reply is missing, though no value is cut


@dataclass(slots=True)
class _Part:
    """A name or a value as it stands in the reply."""

    text: str
    quoted: bool
    name: bool = False  # a colon follows


def repaired(reply: str) -> Repaired:
    """The one object in the reply, or the list that it stands in. Raises Doubtful."""
    start = _start(reply)
    if start is None or len(reply) > LONGEST:
        raise Doubtful
    parts, end, closed = _parts(reply, start)
    if "{" in reply[end:]:
        raise Doubtful  # a second one
    try:
        value = json_repair.loads(reply[start:end], skip_json_loads=True, strict=True)
    except (ValueError, RecursionError) as error:
        raise Doubtful from error
    left = iter(parts)
    made = _as_written(value, left)
    if next(left, None) is not None:
        raise Doubtful  # the repair has left something out
    return Repaired(made, closed)


def _start(reply: str) -> int | None:
    place = reply.find("{")
    if place < 0:
        return None
    before = reply[:place].rstrip()
    return len(before) - 1 if before.endswith("[") else place


def _parts(reply: str, start: int) -> tuple[list[_Part], int, bool]:
    """The names and values, where the object ends, and whether its brackets are closed there."""
    parts: list[_Part] = []
    opened: list[str] = []
    last = ""
    place, limit = start, len(reply.rstrip().removesuffix("```"))
    while place < limit:
        token = _TOKEN.match(reply, place, limit)
        if token is None:
            raise Doubtful
        place = token.end()
        if token.lastgroup is None:
            continue  # white space, a comment
        last = token[0]
        if token.lastgroup != "mark":
            parts.append(_part(last, quoted=token.lastgroup == "quoted"))
        elif _marked(last, opened, parts):
            return parts, place, True
    if "[" in opened[1:] or opened[-1] == "[" or not (last in _CLOSES or last == "," or last.endswith(('"', "'"))):
        raise Doubtful  # a list or a value may go on
    return parts, limit, False


def _marked(mark: str, opened: list[str], parts: list[_Part]) -> bool:
    """Take note of a bracket or a colon; True where the last bracket is closed."""
    if mark in _CLOSES:
        if opened.pop() != _CLOSES[mark]:
            raise Doubtful
        return not opened
    if mark == ":":
        if not parts or parts[-1].name:
            raise Doubtful
        parts[-1].name = True
    elif mark != ",":
        opened.append(mark)
        if len(opened) > _DEEPEST:
            raise Doubtful
    return False


def _part(written: str, *, quoted: bool) -> _Part:
    if not quoted:
        return _Part(written, quoted=False)
    inner = _ESCAPED.sub(lambda found: {r"\'": "'", '"': r"\""}.get(found[0], found[0]), written[1:-1])
    try:
        return _Part(json.loads(f'"{inner}"', strict=False), quoted=True)
    except ValueError as error:
        raise Doubtful from error


def _as_written(value: Any, parts: Iterator[_Part]) -> Any:
    """The repaired value with the reply's own names, texts and numbers."""
    if isinstance(value, dict):
        return {_named(name, parts): _as_written(inside, parts) for name, inside in value.items()}
    if isinstance(value, list):
        return [_as_written(inside, parts) for inside in value]
    part = next(parts, None)
    if part is None or part.name:
        raise Doubtful
    if part.quoted:
        if value != part.text:
            raise Doubtful
        return part.text
    if part.text in _CONSTANTS:
        return _CONSTANTS[part.text]
    if _NUMBER.fullmatch(part.text):
        return Number(part.text)
    raise Doubtful


def _named(name: str, parts: Iterator[_Part]) -> str:
    part = next(parts, None)
    if part is None or not part.name or part.text != name:
        raise Doubtful
    return name
