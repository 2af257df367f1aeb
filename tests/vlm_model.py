"""The model behind the test server: what it can and cannot do, and its eyes for the cards that a probe draws."""

import re
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageStat

from ocr.probe import drawn

Refusal = tuple[int, str]  # status, words
_PAPER = (250, 246, 235)


@dataclass
class Model:
    """By default one that can do everything."""

    sees: bool = True
    known_as: str = ""  # another name is answered with 404
    refused: set[str] = field(default_factory=set)  # parameters that are named in a 400
    words: str = ""  # said in place of that name
    ignores_formats: bool = False  # answers in prose whatever form is asked for
    thinks: bool = False
    can_be_quiet: bool = True
    most_px: int = 0  # of a picture's longer side, above it 413
    context: int = 0  # tokens for picture and answer, above it 400
    at_once: int = 0  # calls, above it 429
    one_after_the_other: bool = False
    loading: int = 0  # calls that are answered with 503 before it is there
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def turn(self) -> AbstractContextManager[Any]:
        """Held while a call is answered."""
        return self._turn if self.one_after_the_other else nullcontext()

    def refusal(self, payload: Mapping[str, Any], image: Image.Image, in_flight: int) -> Refusal | None:
        if self.loading > 0:
            self.loading -= 1
            return 503, "Loading model"
        if self.known_as and payload.get("model") != self.known_as:
            return 404, f"The model `{payload.get('model')}` does not exist."
        if self.at_once and in_flight > self.at_once:
            return 429, "Too many requests at the same time."
        for name in self.refused & set(payload):
            return 400, self.words or f"Unsupported parameter: '{name}' is not supported with this model."
        if self.most_px and max(image.size) > self.most_px:
            return 413, "Payload too large."
        needed = tokens_of(image) + int(payload.get("max_tokens") or payload.get("max_completion_tokens") or 0)
        if self.context and needed > self.context:
            return 400, f"This model's maximum context length is {self.context} tokens, {needed} were asked for."
        return None

    def is_thinking(self, payload: Mapping[str, Any]) -> bool:
        """Unless it was told not to, in one of the ways that there are."""
        told = payload.get("reasoning_effort") == "none" or payload.get("enable_thinking") is False
        return self.thinks and not (told and self.can_be_quiet)

    def code(self, image: Image.Image) -> str | None:
        """What a probe has drawn on it; None on another card. A model that sees nothing makes something up."""
        if not is_drawn(image):
            return None
        return read_code(image) if self.sees else "AAAAAA"


def tokens_of(image: Image.Image) -> int:
    return max(1, image.width // 32) * max(1, image.height // 32)


def keys_in_prompt(payload: Mapping[str, Any]) -> list[str]:
    """The keys that the prompt names, where no schema does."""
    for message in payload["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if found := re.search(r"exactly these keys, in this order: (.*)\.$", part.get("text", ""), re.M):
                return re.findall(r'"([^"]+)"', found[1])
    return []


def is_drawn(image: Image.Image) -> bool:
    """It lies on the paper of a probe's cards."""
    corner = image.convert("RGB").getpixel((2, 2))
    assert isinstance(corner, tuple)
    return all(abs(int(one) - other) < 4 for one, other in zip(corner, _PAPER, strict=True))


def read_code(image: Image.Image) -> str:
    """Sign after sign: the one whose drawing is most like what stands there."""
    font = ImageFont.load_default(size=image.height // 9)
    left, top = image.width // 16, image.height * 7 // 9
    line = image.convert("L")
    found = ""
    for _ in range(6):
        at = left + font.getlength(f"Code: {found}")
        found += min(drawn._SIGNS, key=lambda sign: _unlike(line, image.height // 9, sign, round(at), top))
    return found


def _unlike(line: Image.Image, size: int, sign: str, left: int, top: int) -> float:
    drawing = _drawing(sign, size)
    seen = line.crop((left, top, left + drawing.width, top + drawing.height))
    return ImageStat.Stat(ImageChops.difference(seen, drawing)).mean[0] * drawing.width**0.5


@cache
def _drawing(sign: str, size: int) -> Image.Image:
    font = ImageFont.load_default(size=size)
    image = Image.new("L", (round(font.getlength(sign)), round(size * 1.3)), 246)
    ImageDraw.Draw(image).text((0, 0), sign, fill=31, font=font)
    return image
