"""How text from OCR is compared and tidied: what the eye takes for the same is the same here."""

import re
import unicodedata
from functools import lru_cache

from rapidfuzz import fuzz

SHORT, LONG = 4, 5  # letters: a shorter keyword must be a word of its own, one of LONG or more may be bent
ALIKE = 80  # of 100

_LETTERS = {
    "ø": "o",
    "œ": "o",
    "æ": "a",
    "ß": "s",
    "đ": "d",
    "ł": "l",
    "þ": "t",
    "ð": "d",
    "φ": "o",
    "µ": "u",
    "μ": "u",
}
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    ord("。"): ".",
    ord("、"): ",",
    ord("〈"): "<",
    ord("〉"): ">",
    0x3000: " ",
}
# One character for one character, so that places in the text stay what they are.
_REPAIRS = tuple(
    (re.compile(pattern), right)
    for pattern, right in (
        (r"(?<=\d)=(?=\d)", "-"),  # 9=5=81
        (r"(?<=\d[-–])[lI](?=\s?[cmkµμ]?m\b)", "1"),  # 0-lm
        (r"(?<=\b(?:st|nr|no|St|Nr|No)\.)[lI]\b", "1"),  # st.l
        (r"(?<=\b(?:st|nr|no|St|Nr|No)\.\s)[lI]\b", "1"),
        (r"(?<![^\W\d_])[lI](?=\d)|(?<=\d)[lI](?![^\W_])", "1"),  # l2, 2l
        (r"(?<=\d)[oO](?=\d)|(?<=\d)[oO](?![^\W_])", "0"),  # 192o
        (r"(?<=\b[A-ZÄÖÜÆØÅ]\.)0(?=\.)", "O"),  # G.0.Sars
    )
)


def tidy(text: str) -> str:
    """Wide forms that the recogniser's charset prefers, as they are typed in Europe."""
    return unicodedata.normalize("NFC", text).replace("°℃", "°C").replace("℃", "°C").translate(_WIDE)


def repaired(text: str) -> str:
    """The text with the usual confusions of digits mended; as long as before."""
    for pattern, right in _REPAIRS:
        text = pattern.sub(right, text)
    return text


def folded(text: str) -> str:
    """Lower case, without accents; one character for each, so that places stay what they are."""
    return "".join(_folded(letter) for letter in text)


@lru_cache(maxsize=4096)
def _folded(letter: str) -> str:
    lower = letter.lower()[:1]
    return _LETTERS.get(lower) or unicodedata.normalize("NFKD", lower)[:1]


def squashed(text: str) -> str:
    """Letters and digits alone, folded: for comparing words whose spaces and points may have been lost."""
    return "".join(letter for letter in folded(text) if letter.isalnum())


def contains(text: str, word: str) -> bool:
    """Also where its spaces are lost, or where it is a part of a longer word."""
    letters = squashed(word)
    return place(text, word) >= 0 or (len(letters) >= SHORT and letters in squashed(text))


def place(text: str, word: str) -> int:
    """Where the word stands in the text, a long one also roughly; -1 where it does not."""
    here, letters = folded(text), folded(word).strip()
    if len(letters) < SHORT:  # whole words alone
        found = re.search(rf"(?<![^\W_]){re.escape(letters)}(?![^\W_])", here) if letters else None
        return found.start() if found else -1
    if (exact := here.find(letters)) >= 0 or len(letters) < LONG or len(here) < len(letters):
        return exact
    alike = fuzz.partial_ratio_alignment(letters, here, score_cutoff=ALIKE)
    if alike is None:
        return -1
    starts = [found.start() for found in re.finditer(r"[^\W_]+", here)]
    return min((start for start in starts if abs(start - alike.dest_start) <= 2), default=alike.dest_start)


def trimmed(text: str) -> tuple[int, int]:
    """Where a value begins and ends when the marks around it are left out; a point after a short word stays."""
    start, end = 0, len(text)
    while start < end and (text[start].isspace() or text[start] in ",;:=.-–—_|·•"):
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] in ",;:=-–—_|·•" or _full_stop(text[start:end])):
        end -= 1
    return start, end


def _full_stop(text: str) -> bool:
    """Whether the last character ends a sentence, not an abbreviation such as `Chr.` or `5.`."""
    return bool(re.search(r"(?:[^\W\d_]{4,}|\d{2,}|\d\s?[^\W\d_]{1,2}|[\])\"'?])\.+$", text))
