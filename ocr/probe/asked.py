"""One call of a probe, and what its answer says."""

import json
import re
from dataclasses import dataclass

from ocr import parsing, schema
from ocr.engines import answers
from ocr.engines.answers import Answer, Response
from ocr.errors import ExtractionError, ReplyInvalid, ReplyOnlyThought
from ocr.probe import drawn
from ocr.probe.drawn import Drawn

_SAID = 300


@dataclass(frozen=True, slots=True)
class Asked:
    """One call and what came of it: an answer, or an error."""

    card: Drawn
    seconds: float
    response: Response | None = None
    answer: Answer | None = None
    error: ExtractionError | None = None

    @property
    def said(self) -> str:
        """What went wrong, in the endpoint's words where it has some."""
        told = self.response.said if self.response is not None and self.response.status != 200 else ""
        return (told or (self.error.message if self.error else ""))[:_SAID]

    @property
    def code(self) -> str | None:
        """What was read of the code; None where the reply has none."""
        if self.answer is None:
            return None
        try:
            return parsing.parse(self.answer.content, drawn.TASK).fields["code"].verbatim
        except ReplyInvalid:
            return None

    @property
    def seen(self) -> bool:
        """The code came back, in whatever form."""
        content = self.answer.content if self.answer is not None else ""
        return self.card.code in content.upper() or drawn.is_seen(self.card.code, self.code)

    @property
    def thought(self) -> bool:
        if isinstance(self.error, ReplyOnlyThought):
            return True
        if self.answer is None or self.response is None:
            return False
        return bool(self.answer.usage.tokens_thinking) or _thought(self.response.text, self.answer.content)


def refusal(asked: Asked) -> str:
    """Why the key does not open the door; routers tell it inside of an answer that is none."""
    status = asked.response.status if asked.response is not None else 0
    told = re.search(r"\((40[123])\)", asked.error.message if asked.error else "")
    code = status if status in (401, 402, 403) else int(told[1]) if told else 401
    return {401: "refused", 402: "unpaid", 403: "forbidden"}[code]


def has_shape(content: str, *, strict: bool) -> bool:
    """JSON and nothing else; held to a schema, with exactly its keys."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    wanted = set(schema.build(drawn.TASK)["properties"])
    return isinstance(found, dict) and (set(found) == wanted if strict else bool(wanted & set(found)))


def _thought(text: str, content: str) -> bool:
    """Thoughts beside the reply, or before it."""
    if re.match(r"\s*<(?:think|thinking|reasoning|thought)>\s*\S", content):
        return True
    try:
        message = json.loads(text)["choices"][0]["message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
    said = (message.get(name) for name in ("reasoning", "reasoning_content")) if isinstance(message, dict) else ()
    return any(isinstance(words, str) and words.strip() for words in said)


def short(text: str | None) -> str:
    return " ".join(answers.storable(text or "").split())[:80]
