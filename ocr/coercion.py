"""From the text on the card to the value that is recorded, by the field's type. Nothing is refused, nothing guessed.

`verbatim` stays as read; a text that is not of its type is recorded as it stands, with Issue.TYPE.
"""

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace

from rapidfuzz import fuzz, process

from ocr import coordinates, dates, patterns
from ocr.fields import FieldSpec, FieldType
from ocr.reading import FieldReading, Issue, ValueState

UNREADABLE_MARK = "[unreadable]"
_UNREADABLE = re.compile(r"\[\s*(?:unreadable|illegible|unleserlich|nicht lesbar|illisible|uleselig)\s*\]", re.I)
CLOSE_ENOUGH = 90  # of 100: a choice this like a text is that choice

_DROPPED = {"Cc", "Cs"}  # control characters, lone surrogates
_INVISIBLE = set("\u00ad\u200b\u200e\u200f\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_DIRTY = re.compile(r"[^\n\x20-\x7e\xa0-\xac\xae-\u0377]")  # what may need a closer look

_TRUE = {"true", "yes", "y", "ja", "j", "oui", "wahr", "vrai", "sant", "x", "1", "✓", "✔", "☑", "☒"}
_FALSE = {"false", "no", "n", "nein", "non", "nei", "falsch", "faux", "usant", "0", "☐"}

_INTEGER = re.compile(r"([+-]?)(\d+|\d{1,3}(?:([.,' ])\d{3})(?:\3\d{3})*)")
_DECIMAL = re.compile(r"([+-]?)(\d[\d.,' ]*|[.,]\d+)")


def coerce(spec: FieldSpec, reading: FieldReading) -> FieldReading:
    """The value normalised, the issues named. Where the engine gives a value of its own, that is normalised."""
    verbatim = clean(reading.verbatim) if reading.verbatim is not None else None
    text = reading.value if reading.value is not None else verbatim
    value, issues = normalise(spec, text)
    state = reading.state
    if state is ValueState.UNREADABLE or (value is None and Issue.UNREADABLE in issues):
        value, state = None, ValueState.UNREADABLE
        issues = (Issue.UNREADABLE, *(issue for issue in issues if issue is Issue.REQUIRED))
    elif state is not ValueState.NOT_ASKED:
        state = ValueState.ABSENT if value is None else ValueState.VALUE
    return replace(
        reading,
        verbatim=clean(text) if verbatim is None and text is not None else verbatim,
        value=value,
        state=state,
        confidence=confidence(reading.confidence),
        issues=issues,
    )


def normalise(spec: FieldSpec, text: str | None) -> tuple[str | None, tuple[Issue, ...]]:
    """The value that is recorded for a text, and why it deserves a look. Never raises."""
    tidied = tidy(text or "", lines=spec.type in {FieldType.MULTILINE, FieldType.LIST})
    issues: list[Issue] = []
    if _UNREADABLE.search(tidied):
        issues.append(Issue.UNREADABLE)
        if _UNREADABLE.fullmatch(tidied):
            tidied = ""
    if not tidied:
        return None, (*issues, Issue.REQUIRED) if spec.required else tuple(issues)
    value = _NORMALISERS.get(spec.type, _as_it_stands)(tidied)
    if value is None:
        value, issues = tidied, [*issues, Issue.TYPE]
    if spec.choices and spec.type in _CHOOSING:
        value, on_the_list = _chosen(spec, value)
        issues += [] if on_the_list or spec.open_list else [Issue.CHOICE]
    if spec.pattern and not (patterns.matches(spec.pattern, value) or patterns.matches(spec.pattern, tidied)):
        issues.append(Issue.PATTERN)
    return value, tuple(issues)


def same(spec: FieldSpec, one: str | None, other: str | None) -> bool:
    """Whether two values say the same, once both are normalised by this definition of the field."""
    return one == other or normalise(spec, one)[0] == normalise(spec, other)[0]


def _chosen(spec: FieldSpec, value: str) -> tuple[str, bool]:
    """The value in the list's spelling, a list's parts one by one, and whether the list has all of it."""
    parts = value.split("; ") if spec.type is FieldType.LIST else [value]
    options = [choice(spec, part) for part in parts]
    spelt = "; ".join(option or part for option, part in zip(options, parts, strict=True))
    return spelt, None not in options


def confidence(number: object) -> float | None:
    """0 to 1, or None for what is no finite number."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    try:
        return min(1.0, max(0.0, float(number))) if math.isfinite(number) else None
    except OverflowError:
        return None


def clean(text: str) -> str:
    """NFC, without control characters, lone surrogates and what turns the direction of writing; line ends as \\n."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    if _DIRTY.search(text):
        text = "".join(letter for letter in text if _kept(letter))
    return unicodedata.normalize("NFC", text)


def _kept(letter: str) -> bool:
    return letter == "\n" or (letter not in _INVISIBLE and unicodedata.category(letter) not in _DROPPED)


def tidy(text: str, *, lines: bool = False) -> str:
    """Clean, single spaces; line breaks are kept where `lines` says so, at most one empty line in a row."""
    cleaned = clean(text)
    if not lines:
        return " ".join(cleaned.split())
    rows = (" ".join(row.split()) for row in cleaned.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(rows)).strip("\n")


def choice(spec: FieldSpec, text: str) -> str | None:
    """The choice that a text is: the same, the same but for case, or one alone that is very like it or its spellings.

    An identifier very like another is another one; and so may be any value, where others than the list's are expected.
    """
    if text in spec.choices:
        return text
    folded = {tidy(form).casefold(): term for form, term in reversed(spec.spelt())}
    key = text.casefold()
    if key in folded:
        return folded[key]
    if spec.open_list or spec.type is FieldType.IDENTIFIER:
        return None
    near = process.extract(key, list(folded), scorer=fuzz.ratio, score_cutoff=CLOSE_ENOUGH, limit=None)
    nearest = {folded[form] for form, ratio, _place in near if ratio == near[0][1]}
    return nearest.pop() if len(nearest) == 1 else None


def integer(text: str) -> str | None:
    """`1.234` and `1 234` are 1234: an integer has no fraction."""
    found = _INTEGER.fullmatch(_ascii_number(text))
    if not found:
        return None
    digits = re.sub(r"\D", "", found[2]).lstrip("0") or "0"
    return f"-{digits}" if found[1] == "-" and digits != "0" else digits


def decimal(text: str) -> str | None:
    """With a point; digits as written. A single comma or point is the decimal one: `1,234` is 1.234."""
    found = _DECIMAL.fullmatch(_ascii_number(text))
    if not found:
        return None
    parted = _parted(found[2])
    if parted is None:
        return None
    whole, fraction = parted
    whole = whole.lstrip("0") or "0"
    sign = "-" if found[1] == "-" and (whole + fraction).strip("0") else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def _ascii_number(text: str) -> str:
    spaces = text.replace("\u00a0", " ").replace("\u202f", " ").replace("’", "'").replace("−", "-")
    return spaces.removesuffix(".") if spaces.isascii() else ""


def _parted(digits: str) -> tuple[str, str] | None:
    """Whole and fraction, without separators; None where the separators make no number."""
    last = max(digits.rfind("."), digits.rfind(","))
    kinds = {mark for mark in digits if not mark.isdigit()}
    points = kinds & {".", ","}
    if last < 0 or (len(points) == 1 and digits.count(digits[last]) > 1):
        whole, fraction = digits, ""
    else:
        whole, fraction = digits[:last], digits[last + 1 :]
        if not fraction.isdigit():
            return None
    groups = re.split(r"[.,' ]", whole)
    marks = set(re.findall(r"[.,' ]", whole))
    grouped = len(marks) == 1 and 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    return ("".join(groups), fraction) if grouped or not marks else None


def boolean(text: str) -> str | None:
    word = text.casefold().strip(" .")
    if word in _TRUE:
        return "true"
    return "false" if word in _FALSE else None


def listed(text: str) -> str:
    """Parts between semicolons or line ends, joined by `; `."""
    return "; ".join(part for part in (part.strip() for part in re.split(r"[;\n]", text)) if part)


def _as_it_stands(text: str) -> str:
    return text


_CHOOSING = {FieldType.CHOICE, FieldType.TEXT, FieldType.IDENTIFIER, FieldType.LIST}
_NORMALISERS: dict[FieldType, Callable[[str], str | None]] = {
    FieldType.INTEGER: integer,
    FieldType.DECIMAL: decimal,
    FieldType.DATE: dates.to_iso,
    FieldType.YEAR: dates.to_year,
    FieldType.BOOLEAN: boolean,
    FieldType.LIST: lambda text: listed(text) or None,
    FieldType.COORDINATES: coordinates.to_canonical,
}
