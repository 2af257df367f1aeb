"""What an endpoint and a model were found to take: learnt from what they refuse, kept with the engine."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

LEGIBLE = 768  # pixels of the longest side; below, small type is lost
FORMATS = ("json_schema", "json_object", "")  # the strictest first; the last: by the prompt alone
QUIET: Mapping[str, Any] = {
    "reasoning_effort": "none",
    "chat_template_kwargs": {"enable_thinking": False},
    "enable_thinking": False,
    "reasoning": {"enabled": False},
}
_TOKENS_NAMES = ("max_tokens", "max_completion_tokens")
_FORMAT_NAMED = re.compile(
    r"response.?format|json.?schema|json.?object|json.?mode|structured|grammar|guided|requested parameters|schema", re.I
)
_LENGTH_NAMED = re.compile(r"max.?(?:completion.?)?tokens|context length")
_ONE_IMAGE = re.compile(
    r"(?:at most|only|maximum|limit)\b.{0,40}?\b(?:1|one|a single)\b.{0,12}?\bimage"
    r"|(?:multiple|several|two|more than (?:one|1)) images?\b|too many images|single image|limit.mm.per.prompt",
    re.I | re.S,
)
_LEAST_ROOM = 0.25  # of the tokens for an answer; what still does not fit then is the image
_TOO_MANY = re.compile(r"too (?:large|high|big|long)|exceed|maximum|at most|less than", re.I)


def smaller(px: int) -> int:
    """The next size to try where an image of this longest side is too large; 0: it would not be legible."""
    return max(LEGIBLE, px * 3 // 4) if px > LEGIBLE else 0


@dataclass(frozen=True, slots=True)
class Profile:
    """Begins with the best. `image_px`: the longest side of an image that fits; None: none was too large yet."""

    formats: tuple[str, ...] = FORMATS
    temperature: bool = True
    tokens_name: str = "max_tokens"
    tokens_factor: float = 1.0
    thinking: bool = True
    quiet: tuple[str, ...] = ("reasoning_effort", "chat_template_kwargs")  # what turns thinking off
    image_px: int | None = None
    images: int = 2  # that a request may hold: with one, front and back are joined

    def takes_one(self, said: str, pictures: int) -> bool:
        """Whether a refusal of so many pictures says that one is all that it takes."""
        return pictures > 1 and self.images > 1 and bool(_ONE_IMAGE.search(said))

    def mended(self, said: str, *, quiet: bool = False, pictures: int = 1) -> "Profile | None":
        """The next thing to try where an endpoint names what it does not take; None where it names nothing of ours."""
        named = said.casefold()
        if self.takes_one(said, pictures):
            return replace(self, images=1)
        if quiet and (untaken := [name for name in self.quiet if name in named]):
            return replace(self, quiet=tuple(name for name in self.quiet if name not in untaken))
        if "temperature" in named and self.temperature:
            return replace(self, temperature=False)
        if _LENGTH_NAMED.search(named):
            if _TOO_MANY.search(named):
                return replace(self, tokens_factor=self.tokens_factor / 2) if self.tokens_factor > _LEAST_ROOM else None
            if self.tokens_name == "max_tokens":
                return replace(self, tokens_name="max_completion_tokens")
        if _FORMAT_NAMED.search(named) and len(self.formats) > 1:
            return replace(self, formats=self.formats[1:])
        return None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def known_from(self, stored: Mapping[str, Any]) -> Self:
        """This, with what is stored; what is missing, unknown or odd stays as it is here."""
        return replace(self, **{name: _READ[name](stored[name]) for name in _READ if _fits(name, stored)})


def _fits(name: str, stored: Mapping[str, Any]) -> bool:
    return name in stored and _IS[name](stored[name])


def _is_formats(value: Any) -> bool:
    """Some of the list in its order, the prompt alone at last: what was found not to work is gone."""
    if not isinstance(value, list | tuple) or not value or value[-1] != "":
        return False
    return tuple(value) == tuple(kind for kind in FORMATS if kind in value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(name, str) and name in QUIET for name in value)


def _is_factor(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.01 <= value <= 2


def _is_side(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


_IS: Mapping[str, Any] = {
    "formats": _is_formats,
    "temperature": lambda value: isinstance(value, bool),
    "tokens_name": lambda value: value in _TOKENS_NAMES,
    "tokens_factor": _is_factor,
    "thinking": lambda value: isinstance(value, bool),
    "quiet": _is_names,
    "image_px": _is_side,
    "images": lambda value: value in (1, 2) and not isinstance(value, bool),
}
_READ: Mapping[str, Any] = dict.fromkeys(_IS, lambda value: value) | {"formats": tuple, "quiet": tuple}
