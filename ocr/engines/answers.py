"""What a chat-completions endpoint sent back: the model's reply and what it used, or the error that it means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from ocr.coercion import clean
from ocr.engines.refusals import Refusal
from ocr.errors import ExtractionError, ReplyEmpty, ReplyInvalid, ReplyOnlyThought
from ocr.reading import Usage

LONGEST_WAIT = 3600.0  # seconds that a Retry-After is believed
_MOST_TOKENS = 2_147_483_647
_MOST_COST = Decimal(1_000_000)
_SAID = 300  # characters of an endpoint's own words that are kept in a message
_KEPT = 20_000  # characters of an error's body that are kept


@dataclass(frozen=True, slots=True)
class Answer:
    """The model's reply as it came."""

    content: str
    usage: Usage
    model: str
    finish_reason: str
    revision: str = ""  # of the model, where the endpoint tells it


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response, read to its end; `text` is without the key, should the endpoint repeat it."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def said(self) -> str:
        """The endpoint's own words about an error, short; the beginning of the body where it gives none."""
        body = _json(self.text)
        error = body.get("error") if isinstance(body, dict) else None
        places = (
            (error.get("message"), _provider_said(error)) if isinstance(error, dict) else (error,),
            (body.get("message"), body.get("detail")) if isinstance(body, dict) else (self.text,),
        )
        words = [word for place in places for word in place if isinstance(word, str) and word.strip()]
        return " ".join(clean(" ".join(words))[: 4 * _SAID].split())[:_SAID]


def _provider_said(error: Mapping[str, Any]) -> Any:
    """A router passes on what the provider behind it said."""
    metadata = error.get("metadata")
    return metadata.get("raw") if isinstance(metadata, dict) else None


def answer(response: Response, model: str) -> Answer:
    """The reply of the model in a response of status 200. Raises ExtractionError."""
    body = _json(response.text)
    if body is None:
        raise ReplyInvalid("The endpoint's answer is not JSON.", raw=response.text[:_KEPT])
    if not isinstance(body, dict):
        raise ReplyInvalid("The endpoint's answer is not a chat completion.", raw=response.text[:_KEPT])
    usage = _usage(body.get("usage"))
    choice = _first(body.get("choices"))
    failure = body.get("error") or choice.get("error")
    if failure or choice.get("finish_reason") == "error":
        raise _passed_on(response, failure, usage)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise ReplyInvalid("The endpoint's answer has no message.", raw=response.text[:_KEPT], usage=usage)
    finish = _short(choice.get("finish_reason"), 40)
    content = _content(message.get("content"))
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        raise ReplyEmpty(
            f"The model refused: {_words(refusal)}", raw=storable(refusal), usage=usage, finish_reason=finish
        )
    if not content.strip() and finish != "length":
        thought = message.get("reasoning") or message.get("reasoning_content")
        if thought:
            raise ReplyOnlyThought("The model only thought and gave no answer.", usage=usage, finish_reason=finish)
        raise ReplyEmpty("The answer is empty.", usage=usage, finish_reason=finish)
    revision = _short(body.get("system_fingerprint"), 100)
    return Answer(content, usage, _short(body.get("model"), 200) or model, finish, revision)


def refused(response: Response) -> ExtractionError:
    """The error that a status other than 200 means."""
    return _error(response.status, response.said, response.text, retry_after=retry_after(response.headers))


def _passed_on(response: Response, failure: Any, usage: Usage) -> ExtractionError:
    """An error inside a response of status 200, as routers send it."""
    code = failure.get("code") if isinstance(failure, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 502
    said = response.said or (_words(str(failure.get("message", ""))) if isinstance(failure, dict) else "")
    error = _error(status, said, response.text, retry_after=retry_after(response.headers))
    error.usage = usage
    return error


def _error(status: int, said: str, body: str, *, retry_after: float | None) -> ExtractionError:
    refusal = Refusal(status, said, frozenset(_kinds(body)), storable(body)[:_KEPT], retry_after)
    return refusal.error()


def _kinds(body: str) -> set[str]:
    """The words by which programs are told what an error is."""
    found = _json(body)
    error = found.get("error") if isinstance(found, dict) else None
    words = (error.get("type"), error.get("code")) if isinstance(error, dict) else ()
    return {word for word in words if isinstance(word, str)}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number of seconds or a date; None where it is absent or odd.

    LiteLLM's proxy hands on what the provider behind it asked for under another name.
    """
    text = (headers.get("retry-after") or headers.get("llm_provider-retry-after", "")).strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            when = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(0.0, seconds), LONGEST_WAIT) if seconds == seconds else None  # NaN is unlike itself


def storable(text: str) -> str:
    """As it came, but for what no database takes: lone surrogates and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=lambda _name: None)
    except (ValueError, RecursionError):
        return None


def _first(choices: Any) -> Mapping[str, Any]:
    first = choices[0] if isinstance(choices, list) and choices else {}
    return first if isinstance(first, dict) else {}


def _content(content: Any) -> str:
    """The text of a message: itself, or its text parts one after the other."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") if isinstance(part, dict) else part for part in parts)
    return "".join(text for text in texts if isinstance(text, str))


def _usage(said: Any) -> Usage:
    found = said if isinstance(said, dict) else {}
    return Usage(
        _count(found.get("prompt_tokens")),
        _count(found.get("completion_tokens")),
        _cost(found.get("cost")),
        _count(_part(found, "prompt_tokens_details").get("cached_tokens")),
        _count(_part(found, "completion_tokens_details").get("reasoning_tokens")),
    )


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = found.get(name)
    return part if isinstance(part, dict) else {}


def _count(number: Any) -> int | None:
    good = isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _MOST_TOKENS
    return number if good else None


def _cost(number: Any) -> Decimal | None:
    if isinstance(number, bool) or not isinstance(number, int | float | str):
        return None
    try:
        cost = Decimal(str(number))
    except InvalidOperation:
        return None
    return round(cost, 6) if cost.is_finite() and 0 <= cost < _MOST_COST else None


def _short(text: Any, length: int) -> str:
    return storable(text)[:length] if isinstance(text, str) else ""


def _words(text: str) -> str:
    return " ".join(clean(text[: 4 * _SAID]).split())[:_SAID]
