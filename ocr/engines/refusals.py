"""What an endpoint means by a status other than 200: each with the action that it asks for."""

import re
from dataclasses import dataclass

from ocr.errors import (
    CredentialsRefused,
    EngineBusy,
    EngineFailed,
    EngineMissing,
    EngineTimeout,
    ExtractionError,
    ImageTooLarge,
    ParameterRefused,
    RateLimited,
    ReplyEmpty,
    RequestRefused,
)

_CREDENTIALS = {
    401: "The endpoint does not accept the key",
    402: "The endpoint wants to be paid",
    403: "The endpoint does not allow this call",
}
# A 400 that means the key: a gateway without a database has nowhere to look another key up.
_OF_THE_KEY = {"authentication_error", "invalid_api_key", "no_db_connection"}
_OF_THE_MODEL = re.compile(
    r"invalid model\b|unknown model\b|not a valid model\b|model\W.{0,120}?(?:not found|does not exist)", re.I
)
_FILTERED = re.compile(r"moderation|flagged", re.I)
_BUSY = re.compile(r"loading|busy|overloaded|queue|pending requests|at capacity|try again", re.I)
# vLLM says that the decoder prompt is longer than the maximum model length, llama.cpp that the request exceeds the
# available context size; others name the image, its pixels or its bytes.
_TOO_LARGE = re.compile(
    r"context (?:length|size|window)|maximum model length|(?:request|payload|body) (?:entity )?(?:is )?too large"
    r"|(?:image|picture|prompt|input)s?\b.{0,80}(?:too (?:large|big|long)|exceed|longer than|larger than)"
    r"|(?:too (?:large|big|many)|exceeds?)\b.{0,60}(?:image|picture|pixel)",
    re.I,
)
_THING = r"(?:parameter|argument|field|input|key|value|name)"
_PARAMETER = re.compile(
    rf"(?:unsupported|unknown|unrecognized|unexpected|invalid|extra)[\w ]{{0,20}}{_THING}"
    rf"|{_THING}s?\b.{{0,60}}(?:not (?:supported|permitted|allowed)|unsupported)",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status, the endpoint's own words, the words for programs, the body as it is kept, and seconds to wait."""

    status: int
    said: str
    kinds: frozenset[str]
    raw: str
    retry_after: float | None

    def error(self) -> ExtractionError:
        if 300 <= self.status < 400:
            told = f"The address leads elsewhere (HTTP {self.status}): enter the final one."
            return EngineMissing(told, raw=self.raw)
        return self._of_the_access() or self._of_the_endpoint() or self._of_the_request()

    def _told(self, kind: type[ExtractionError], words: str) -> ExtractionError:
        ending = f": {self.said}" if self.said else "."
        return kind(f"{words} ({self.status}){ending}", raw=self.raw, retry_after=self.retry_after)

    def _of_the_access(self) -> ExtractionError | None:
        if self.status == 403 and _FILTERED.search(self.said):
            return self._told(ReplyEmpty, "The endpoint's filter held this card back")
        if self.status in _CREDENTIALS:
            return self._told(CredentialsRefused, _CREDENTIALS[self.status])
        if self.status in (400, 404):
            if self.kinds & _OF_THE_KEY:
                return self._told(CredentialsRefused, _CREDENTIALS[401])
            if "model_not_found" in self.kinds or _OF_THE_MODEL.search(self.said):
                return self._told(EngineMissing, "The endpoint does not have this model")
        return None

    def _of_the_endpoint(self) -> ExtractionError | None:
        if self.status == 429:
            return self._told(RateLimited, "The endpoint asks for fewer calls")
        if self.status == 408:
            return self._told(EngineTimeout, "The endpoint gave up waiting")
        if self.status == 529 or (self.status == 503 and (self.retry_after is not None or _BUSY.search(self.said))):
            return self._told(EngineBusy, "The endpoint is busy")
        if self.status >= 500:
            return self._told(EngineFailed, "The endpoint failed")
        return None

    def _of_the_request(self) -> ExtractionError:
        named = self.said if self.status in (400, 422) else ""
        if self.status == 413 or _TOO_LARGE.search(named):
            return self._told(ImageTooLarge, "The image is too large for the endpoint")
        if _PARAMETER.search(named):
            return self._told(ParameterRefused, "The endpoint does not take a setting")
        return self._told(RequestRefused, "The endpoint refused the request")
