"""The models that an endpoint says it has: those that see pictures first, then the others."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import httpx

from ocr.engines import answers
from ocr.engines.base import EngineConfig
from ocr.engines.exchange import Exchange
from ocr.errors import ExtractionError, ReplyInvalid

WITHIN = 10.0  # seconds for all of it
MOST = 1000
_LONGEST_NAME = 200
_MOST_CONTEXT = 100_000_000

_SIGHTED = re.compile(
    r"""(?<![a-z])vl(?![a-z]) | vision | multimodal | omni
    | gemma-?[3-9] | gemini | claude | gpt-?(?:4o|4\.1|[5-9]) | pixtral | mistral-(?:small-?3\.[1-9]|medium|large-?3)
    | llava | minicpm-?[vo] | internvl | llama-?4 | moondream | molmo | idefics | smolvlm | glm-?[4-9][.\d]*v
    | cogvlm | ovis | kimi-vl | qwen-?3\.[5-9] | granite-?docling""",
    re.X | re.I,
)
_BLIND = re.compile(r"embed|rerank|guard|whisper|tts|(?<![a-z])gemini-.*-image|moderation", re.I)
_CONTEXT = ("max_model_len", "context_length", "context_window", "max_context_length", "max_context_window_tokens")


@dataclass(frozen=True, slots=True)
class Offered:
    """A model as its endpoint lists it. `said_to_see` and `context` (tokens) are None where it does not say."""

    name: str
    said_to_see: bool | None = None
    context: int | None = None

    @property
    def sees(self) -> bool:
        """What the endpoint says, otherwise what models of this name do."""
        if self.said_to_see is not None:
            return self.said_to_see
        return bool(_SIGHTED.search(self.name)) and not _BLIND.search(self.name)


def models(
    config: EngineConfig, *, within: float = WITHIN, way_out: httpx.BaseTransport | None = None
) -> list[Offered]:
    """Asked of the endpoint now. Raises ocr.errors.ExtractionError where it gives no list that can be used."""
    with closing(Exchange(config, way_out)) as exchange:
        return listed(exchange, within)


def listed(exchange: Exchange, within: float = WITHIN) -> list[Offered]:
    """The same, over connections that are there already."""
    deadline = time.monotonic() + within
    response = exchange.get(exchange.beside("models"), within)
    if response.status != 200:
        raise answers.refused(response)
    found = _offered(response.text)
    if _is_ollama(response.text):
        found = _with_what_ollama_knows(exchange, found, deadline)
    if not found:
        raise ReplyInvalid(
            "The endpoint's list of models is empty, or none.", raw=answers.storable(response.text)[:2000]
        )
    return sorted(found.values(), key=lambda model: (not model.sees, model.name.casefold()))


def _with_what_ollama_knows(exchange: Exchange, found: dict[str, Offered], deadline: float) -> dict[str, Offered]:
    """Its own list tells what the compatible one leaves out."""
    left = deadline - time.monotonic()
    if left <= 0:
        return found
    try:
        response = exchange.get(exchange.at_root("/api/tags"), left)
    except ExtractionError:
        return found  # the names alone will do
    known = _offered(response.text) if response.status == 200 else {}
    return {name: known.get(name, model) for name, model in found.items()}


def _offered(text: str) -> dict[str, Offered]:
    """Each model once; llama.cpp tells of the same one in two lists, half of it in each."""
    found: dict[str, Offered] = {}
    for entry in _entries(text):
        name = _name(entry)
        if name and (name in found or len(found) < MOST):
            before = found.get(name, Offered(name))
            sees, context = _sees(entry), _context(entry)
            found[name] = replace(
                before,
                said_to_see=before.said_to_see if sees is None else sees,
                context=before.context or context,
            )
    return found


def _entries(text: str) -> Iterator[Mapping[str, Any]]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return
    lists = [body.get("data"), body.get("models")] if isinstance(body, dict) else [body]
    for entries in lists:
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict):
                yield entry


def _is_ollama(text: str) -> bool:
    """It names the owner of every model that it has fetched so."""
    return any(entry.get("owned_by") == "library" for entry in _entries(text))


def _name(entry: Mapping[str, Any]) -> str:
    name = entry.get("id") or entry.get("name") or entry.get("model")
    if not isinstance(name, str) or not name.isprintable() or len(name) > _LONGEST_NAME:
        return ""
    return name.strip()


def _sees(entry: Mapping[str, Any]) -> bool | None:
    """Each server has its own way to say it."""
    architecture = entry.get("architecture")
    places = (entry, architecture) if isinstance(architecture, dict) else (entry,)
    for place in places:
        for key in ("input_modalities", "capabilities", "modalities"):
            said = place.get(key)
            if isinstance(said, list) and said:
                return bool({"image", "vision", "multimodal"} & {word for word in said if isinstance(word, str)})
            if isinstance(said, dict) and isinstance(said.get("vision"), bool):
                return bool(said["vision"])
        if isinstance(modality := place.get("modality"), str) and "->" in modality:
            return "image" in modality.partition("->")[0]
    for key in ("supports_vision", "supports_image_input"):
        if isinstance(entry.get(key), bool):
            return bool(entry[key])
    return True if entry.get("type") == "vlm" else None


def _context(entry: Mapping[str, Any]) -> int | None:
    meta, details = entry.get("meta"), entry.get("details")
    places = [entry, *(place for place in (meta, details) if isinstance(place, dict))]
    for place in places:
        for key in (*_CONTEXT, "n_ctx"):
            number = place.get(key)
            if isinstance(number, int) and not isinstance(number, bool) and 0 < number < _MOST_CONTEXT:
                return number
    return None
