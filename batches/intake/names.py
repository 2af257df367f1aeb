"""Safe names for files and folders, made from names that anybody may have sent."""

import re
import unicodedata

from batches.intake import sniff

MAX_BYTES = 120
_TAIL_BYTES = 20  # room for "-p002", "-1234" and the extension
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{name}{n}" for name in ("com", "lpt") for n in range(10))})
# Direction marks could show "gpj.exe" as "exe.jpg"; the rest of the list cannot be seen either.
_INVISIBLE = frozenset(chr(code) for code in (0x200E, 0x200F, 0x061C, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def slug(text: str, *, characters: int = MAX_BYTES, size: int = MAX_BYTES) -> str:
    """Letters, digits, `.`, `_`, `-`; no two dashes or dots side by side, none at the ends. May be empty."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in text)
    text = re.sub(r"-+", "-", re.sub(r"\.+", ".", text)).strip("-.")[:characters]
    return text.encode()[:size].decode(errors="ignore").strip("-.")


def shown(name: str) -> str:
    """The name as sent, with its folders: harmless to store and to show. At most 500 characters, the end of it."""
    name = name.encode(errors="replace").decode()  # lone surrogates
    name = "".join(letter for letter in name if unicodedata.category(letter) != "Cc" and letter not in _INVISIBLE)
    segments = [segment.strip() for segment in unicodedata.normalize("NFC", name).replace("\\", "/").split("/")]
    return "/".join(segment for segment in segments if segment not in {"", ".", ".."})[-500:].lstrip("/")


def stem(name: str) -> str:
    """The part of a stored name that comes from the original's."""
    last = shown(name).rsplit("/", 1)[-1]
    root, dot, extension = last.rpartition(".")
    if root and f"{dot}{extension}".lower() in sniff.EXTENSIONS:
        last = root
    safe = slug(last, size=MAX_BYTES - _TAIL_BYTES) or "card"
    word, dot, rest = safe.partition(".")  # Windows keeps "aux.tar" for itself, too
    return f"{word}_{dot}{rest}" if word.lower() in _RESERVED else safe


def stored(name: str, extension: str, pages: int, number: int = 1) -> tuple[str, list[str]]:
    """Source and one name for each card in it. `number`: from 2 on where others have that name."""
    base = stem(name) if number == 1 else f"{stem(name)}-{number}"
    source = f"{base}{extension}"
    return source, [source] if pages == 1 else [f"{base}-p{page:03d}{extension}" for page in range(1, pages + 1)]


def part_of(filename: str, cut: int, number: int = 1) -> str:
    """For a card that is cut out of another's scan. `number`: from 2 on where others have that name."""
    root, dot, extension = filename.rpartition(".")
    return f"{root}-c{cut}{'' if number == 1 else f'-{number}'}{dot}{extension}"


def natural(name: str) -> tuple[tuple[str | int, ...], ...]:
    """A key that sorts 2 before 10, folder by folder, whatever the case."""
    folded = unicodedata.normalize("NFC", name).casefold()
    return tuple(
        tuple(int(piece) if place % 2 else piece for place, piece in enumerate(re.split(r"([0-9]+)", segment)))
        for segment in folded.split("/")
    )
