"""Geographic coordinates to one form: `50°40'N - 4°00.43'E`.

Degrees, minutes and seconds, minutes with a fraction, or decimal degrees with a letter or a sign. A lone `O` is
not taken: it is east in German (Ost) and west in French (ouest).
"""

import re
from decimal import ROUND_HALF_UP, Decimal

_NORTH = r"n|nord|north|norte|n\.?\s?br\.?|nördl?\.?(?:iche[rn]?)?(?:\s?br(?:eite|\.)?)?"
_SOUTH = r"s|süd|sud|sør|south|s\.?\s?br\.?|südl?\.?(?:iche[rn]?)?(?:\s?br(?:eite|\.)?)?"
_EAST = r"e|ost|est|øst|ø|east|[öo]\.?\s?l\.?|östl?\.?(?:iche[rn]?)?(?:\s?l(?:änge|\.)?)?"
_WEST = r"w|west|ouest|vest|v|w\.?\s?l\.?|westl?\.?(?:iche[rn]?)?(?:\s?l(?:änge|\.)?)?"
_LETTERS = tuple(
    (re.compile(pattern), sign, axis)
    for pattern, sign, axis in ((_NORTH, "N", 0), (_SOUTH, "S", 0), (_EAST, "E", 1), (_WEST, "W", 1))
)
_HALF = re.compile(
    r"""(?P<before>[^\W\d][^\W\d.\s]{0,10}\.?)?\s*
        (?P<sign>[-+−])?\s*
        (?P<degrees>\d{1,3}(?:[.,]\d{1,8})?)\s*(?P<mark>[°º˚]|deg\.?)?\s*
        (?:(?P<minutes>\d{1,2}(?:[.,]\d{1,6})?)\s*(?:['’′´`]|min\.?)?\s*
        (?:(?P<seconds>\d{1,2}(?:[.,]\d{1,4})?)\s*(?:["”″]|''|’’|′′|sec\.?|sek\.?)?)?)?\s*
        (?P<after>[^\W\d]{1,12}(?:[.\s]{1,2}[^\W\d]{1,12})?\.?)?""",
    re.VERBOSE,
)
_LIMITS = (90, 180)


def to_canonical(text: str) -> str | None:
    """Latitude and longitude as `D°MM.mm'N - D°MM'E`; None where the text is not exactly that."""
    plain = " ".join(text.casefold().split()).strip(" .,;")
    for start in _ways_to_part(plain):
        first, second = _half(plain[: start[0]]), _half(plain[start[1] :])
        if first and second and {first[0], second[0]} == {0, 1}:
            halves = sorted((first, second))
            return " - ".join(half[1] for half in halves)
    return _signed(plain)


def _ways_to_part(text: str) -> list[tuple[int, int]]:
    """Where the first half may end and the second begin, at most a few places."""
    if len(text) > 100:
        return []
    return [
        (gap.start(), gap.end())
        for gap in re.finditer(r"\s*[,;/–—-]\s*|\s+|(?<=[^\W\d])(?=\d)|(?<=[^\s\w]|\d)(?=[^\W\d])", text)
    ]


def _half(text: str) -> tuple[int, str] | None:
    """Axis (0 latitude, 1 longitude) and canonical text of one half that names its direction."""
    found = _HALF.fullmatch(text)
    if not found or found["sign"] or bool(found["before"]) == bool(found["after"]):
        return None
    if not (found["mark"] or found["minutes"] or not found["degrees"].isdigit()):
        return None
    name = (found["before"] or found["after"]).strip(" .")
    for pattern, letter, axis in _LETTERS:
        if pattern.fullmatch(name) or pattern.fullmatch(name + "."):
            angle = _angle(found["degrees"], found["minutes"], found["seconds"], _LIMITS[axis])
            return (axis, angle + letter) if angle else None
    return None


def _signed(text: str) -> str | None:
    """Decimal degrees: `60.1833, -5.2167`."""
    found = re.fullmatch(r"([-+−]?\d{1,2}\.\d{2,8})°?\s*[,;\s]\s*([-+−]?\d{1,3}\.\d{2,8})°?", text)
    if not found:
        return None
    halves = []
    for number, limit, letters in zip(found.groups(), _LIMITS, ("NS", "EW"), strict=True):
        angle = _angle(number.lstrip("-+−"), None, None, limit)
        if angle is None:
            return None
        halves.append(angle + letters[number[0] in "-−"])
    return " - ".join(halves)


def _angle(degrees: str, minutes: str | None, seconds: str | None, limit: int) -> str | None:
    whole = Decimal(degrees.replace(",", "."))
    fraction = whole % 1
    if fraction and minutes:
        return None
    left = fraction * 60 if fraction else _decimal(minutes)
    if _decimal(seconds) and (left % 1 or _decimal(seconds) >= 60):
        return None
    left += _decimal(seconds) / 60
    if left >= 60:
        return None
    shown = left if not (fraction or seconds) else left.quantize(Decimal("0.01"), ROUND_HALF_UP)
    whole = whole // 1 + (1 if shown >= 60 else 0)
    shown = shown - 60 if shown >= 60 else shown
    if whole + shown / 60 > limit:
        return None
    if not (minutes or fraction):
        return f"{whole}°00'"
    return f"{whole}°{_minutes(shown)}'"


def _decimal(text: str | None) -> Decimal:
    return Decimal(text.replace(",", ".")) if text else Decimal(0)


def _minutes(value: Decimal) -> str:
    whole, _, fraction = format(value, "f").partition(".")
    fraction = fraction.rstrip("0")
    return f"{int(whole):02}" + (f".{fraction}" if fraction else "")
