"""What a field of a card is. Plain data: the same in templates, batches, prompts and the API."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FieldType(StrEnum):
    TEXT = "text"
    MULTILINE = "multiline"
    INTEGER = "integer"
    DECIMAL = "decimal"
    DATE = "date"
    YEAR = "year"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    LIST = "list"
    IDENTIFIER = "identifier"
    COORDINATES = "coordinates"


Spellings = tuple[tuple[str, tuple[str, ...]], ...]  # a choice, and how else it is written on cards

POSITIONS = ("top_left", "first", "last")


@dataclass(frozen=True, slots=True)
class Hints:
    """Help for the local engine; a vision-language model gets the instruction instead."""

    aliases: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    position: str | None = None
    avoid: tuple[str, ...] = ()
    until: str | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Hints":
        return cls(
            aliases=tuple(data.get("aliases") or ()),
            keywords=tuple(data.get("keywords") or ()),
            position=data.get("position") or None,
            avoid=tuple(data.get("avoid") or ()),
            until=data.get("until") or None,
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "aliases": list(self.aliases),
            "keywords": list(self.keywords),
            "position": self.position,
            "avoid": list(self.avoid),
            "until": self.until,
        }


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field, as `docs` and the API give it. `key` is unique within a template or batch."""

    key: str
    label: str
    instruction: str = ""
    type: FieldType = FieldType.TEXT
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    required: bool = False
    active: bool = True
    example: str | None = None
    threshold: float | None = None
    hints: Hints = field(default_factory=Hints)
    open_list: bool = False  # a value that is none of the choices is as good as one that is
    spellings: Spellings = ()  # in the order of the choices

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "FieldSpec":
        """Build from the API's form. Without a type it is guessed from the label. Raises ValueError."""
        label = str(data["label"])
        kind = data.get("type")
        return cls(
            key=str(data.get("key") or make_key(label)),
            label=label,
            instruction=str(data.get("instruction") or ""),
            type=FieldType(kind) if kind else guess_type(label),
            choices=tuple(data.get("choices") or ()),
            pattern=data.get("pattern") or None,
            required=bool(data.get("required", False)),
            active=bool(data.get("active", True)),
            example=data.get("example") or None,
            threshold=data.get("threshold"),
            hints=Hints.from_dict(data.get("hints") or {}),
            open_list=bool(data.get("open_list", False)),
            spellings=spellings_of(data.get("choices") or (), data.get("spellings") or {}),
        )

    def to_dict(self) -> dict[str, Any]:
        """What came later stands in it only where it is said: what was read before keeps its key."""
        said = {
            "key": self.key,
            "label": self.label,
            "instruction": self.instruction,
            "type": str(self.type),
            "choices": list(self.choices),
            "pattern": self.pattern,
            "required": self.required,
            "active": self.active,
            "example": self.example,
            "threshold": self.threshold,
            "hints": self.hints.to_dict(),
        }
        later = {
            "open_list": self.open_list,
            "spellings": {term: list(forms) for term, forms in self.spellings},
        }
        return said | {name: value for name, value in later.items() if value}

    def spelt(self) -> list[tuple[str, str]]:
        """Each text that is a choice, and the choice: first the choices, then their other spellings."""
        return [(term, term) for term in self.choices] + [
            (form, term) for term, forms in self.spellings for form in forms
        ]


def spellings_of(choices: Iterable[str], given: Mapping[str, Iterable[str]]) -> Spellings:
    """Those of the choices, in their order: a database may have kept another one."""
    return tuple((term, tuple(given[term])) for term in choices if given.get(term))


_GUESSES = (
    (FieldType.COORDINATES, r"coordinates?|koordinaten?|lat(itude)?|long(itude)?|breite|länge ?/ ?breite"),
    (FieldType.YEAR, r"year|jahr|erscheinungsjahr"),
    (FieldType.DATE, r"date|datum|day|tag"),
    (FieldType.IDENTIFIER, r"no\.?|nr\.?|number|nummer|id|signatur|shelfmark|call ?number|accession"),
)


def guess_type(label: str) -> FieldType:
    """The type that a label suggests, in English or German; text where it suggests none."""
    words = unicodedata.normalize("NFC", label).casefold()
    for kind, pattern in _GUESSES:
        if re.search(rf"(?<!\w)(?:{pattern})(?!\w)", words) or re.search(rf"\w(?:{_ENDINGS[kind]})$", words):
            return kind
    return FieldType.TEXT


_ENDINGS = {
    FieldType.COORDINATES: "koordinaten",
    FieldType.YEAR: "jahr",
    FieldType.DATE: "datum",
    FieldType.IDENTIFIER: "nummer|signatur",
}


def make_key(label: str, taken: Collection[str] = ()) -> str:
    """A key of a-z, 0-9 and _ made from a label, unlike those taken."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().casefold()
    base = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40] or "field"
    key, number = base, 2
    while key in taken:
        key, number = f"{base}_{number}", number + 1
    return key
