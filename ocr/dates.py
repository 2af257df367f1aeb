"""Dates as they stand on cards, in German, English, French and Norwegian, to ISO.

Day before month where both are possible (`9/5/81` is the ninth of May), month first only where nothing else is
(`5/23/1981`). Two digits are a year of the twentieth century: `81` is 1981. What is not given is left out:
`Mai 1981` is `1981-05`. A range, a doubt (`ca.`, `?`) or a date that no calendar has is no date.
"""

import re
import unicodedata
from datetime import date

# The first letters that decide, in the four languages, without accents.
_MONTHS = (
    ("januar", "january", "janvier", "janner", "jaenner", "jan", "janv"),
    ("februar", "february", "fevrier", "feber", "feb", "febr", "fev", "fevr"),
    ("marz", "maerz", "march", "mars", "mar", "mrz"),
    ("april", "avril", "apr", "avr"),
    ("mai", "may"),
    ("juni", "june", "juin", "jun"),
    ("juli", "july", "juillet", "jul", "juil"),
    ("august", "aout", "aug"),
    ("september", "septembre", "sep", "sept"),
    ("oktober", "october", "octobre", "okt", "oct"),
    ("november", "novembre", "nov"),
    ("dezember", "december", "decembre", "desember", "dez", "dec", "des"),
)
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_NAMES = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_WEEKDAYS = (
    r"(?:montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|mo|di|mi|do|fr|sa|so"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun"
    r"|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
    r"|mandag|tirsdag|onsdag|torsdag|fredag|lordag|sondag)"
)
_LEAD = re.compile(rf"(?:{_WEEKDAYS}\.?(?:,\s*|\s+))?(?:(?:den|der|am|the|le|on|vom)\s+)?")
_DAY = r"(?P<day>\d{1,2})(?:\.|er|st|nd|rd|th|de|te|ten)?"
_MONTH = r"(?P<month>[a-z]{1,9})\.?"
_YEAR = r"(?P<year>\d{4}|'?\d{2})"
_GAP = r"[\s.,/-]*"
_NAMED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_DAY}{_GAP}(?:of\s+|de\s+)?{_MONTH}{_GAP}{_YEAR}",
        rf"{_MONTH}{_GAP}{_DAY}[\s,.]+{_YEAR}",
        rf"{_YEAR}{_GAP}{_MONTH}{_GAP}{_DAY}",
        rf"{_MONTH}{_GAP}{_YEAR}",
    )
)
_SEPARATOR = r"\s*[-./,–\s]\s*"
_YEAR_FIRST = re.compile(rf"(\d{{4}}){_SEPARATOR}(\d{{1,2}}){_SEPARATOR}(\d{{1,2}})")
_YEAR_MONTH = re.compile(r"(\d{4})[-.](\d{1,2})")  # not with a slash: 1911/12 is two years
_YEAR_LAST = re.compile(rf"(\d{{1,2}}){_SEPARATOR}(\d{{1,2}}){_SEPARATOR}'?(\d{{4}}|\d{{2}})")
_MONTH_YEAR = re.compile(r"(\d{1,2})\s*(?:[-./]\s*(\d{4})|/\s*'?([4-9]\d))")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_FOUND_YEAR = re.compile(r"(?:[©c]\s?)?(\d{4}|'\d{2}|\d{2})")


def to_iso(text: str) -> str | None:
    """`1981-05-09`, `1981-05` or `1981`; None where the text is no single date."""
    plain = _plain(text)
    lead = _LEAD.match(plain)
    plain = plain[lead.end() :] if lead else plain
    return _numeric(plain) or _named(plain) or to_year(plain, short=False)


def to_year(text: str, *, short: bool = True) -> str | None:
    """The year alone, of a year (`1981`, `[1981]`, `c1981`, and if `short`, `81`) or of a whole date."""
    plain = _plain(text)
    if plain.startswith("[") and plain.endswith("]"):
        plain = plain[1:-1].strip()
    found = _FOUND_YEAR.fullmatch(plain)
    if found and (short or not found[1].isdigit() or len(found[1]) == 4):
        return _year(found[1])
    if not short:
        return None
    whole = to_iso(text)
    named = any(letter.isalpha() for letter in plain)
    return whole[:4] if whole and (named or len(whole) == 10) else None  # 1911-12 may be two years


def _plain(text: str) -> str:
    """Lower case, without accents (`ø` as `o`), without the dot or comma at the end."""
    lower = text.casefold().replace("ø", "o").replace("’", "'")
    decomposed = unicodedata.normalize("NFKD", lower)
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(bare.split()).strip(" .,;")


def _year(digits: str) -> str | None:
    bare = digits.lstrip("'")
    full = f"19{bare}" if len(bare) == 2 else bare
    return full if 1000 <= int(full) <= 2200 else None


def _iso(year: str | None, month: int, day: int | None) -> str | None:
    if year is None or not 1 <= month <= 12:
        return None
    if day is None:
        return f"{year}-{month:02}"
    try:
        return date(int(year), month, day).isoformat()
    except ValueError:
        return None


def _numeric(text: str) -> str | None:
    if found := _YEAR_FIRST.fullmatch(text):
        return _iso(_year(found[1]), int(found[2]), int(found[3]))
    if found := _YEAR_MONTH.fullmatch(text):
        return _iso(_year(found[1]), int(found[2]), None)
    if found := _COMPACT.fullmatch(text):
        return _iso(_year(found[1]), int(found[2]), int(found[3]))
    if found := _YEAR_LAST.fullmatch(text):
        first, second, year = int(found[1]), int(found[2]), _year(found[3])
        return _iso(year, second, first) or _iso(year, first, second)
    if found := _MONTH_YEAR.fullmatch(text):
        return _iso(_year(found[2] or found[3]), int(found[1]), None)
    return None


def _named(text: str) -> str | None:
    for pattern in _NAMED:
        found = pattern.fullmatch(text)
        month = _month(found["month"]) if found else None
        if found and month:
            day = found.groupdict().get("day")
            return _iso(_year(found["year"]), month, int(day) if day else None)
    return None


def _month(name: str) -> int | None:
    return _NAMES.get(name) or (_ROMAN.index(name) + 1 if name in _ROMAN else None)
