"""The JSON schema of a reply: without references, each field a text or null beside its confidence.

Flat where a card holds one entry; where it may hold several, one list of flat objects.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ocr.engines.base import ReadTask

CONFIDENCE = "__confidence"
TRANSCRIPTION, ENTRIES, PICTURES, SUMMARY = "transcription", "entries", "pictures", "summary"

_TEXT = {"type": ["string", "null"]}
_NUMBER = {"type": ["number", "null"]}


def extras(task: ReadTask) -> dict[str, str]:
    """What is asked for besides the fields, in the order of the reply, and the name of each in it."""
    options = task.options
    asked = {
        TRANSCRIPTION: options.transcribe,
        ENTRIES: options.multiple_entries,
        PICTURES: options.describe_pictures,
        SUMMARY: options.summarize,
    }
    taken = {text.casefold().strip() for spec in task.fields for text in (spec.key, spec.label)}
    return {name: _unlike(name, taken) for name, wanted in asked.items() if wanted}


def _unlike(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"card_{name}"
    return name


def build(task: ReadTask) -> Mapping[str, Any]:
    """What some endpoints demand is done for all: every property required, none besides."""
    properties: dict[str, Any] = {}
    names = extras(task)
    if TRANSCRIPTION in names:
        properties[names[TRANSCRIPTION]] = _TEXT
    if ENTRIES in names:
        properties[names[ENTRIES]] = {"type": "array", "items": _object(entry(task))}
    else:
        properties |= entry(task)
    properties |= {names[name]: _TEXT for name in (PICTURES, SUMMARY) if name in names}
    return _object(properties)


def entry(task: ReadTask) -> dict[str, Any]:
    """The properties of one entry."""
    properties: dict[str, Any] = {}
    for spec in task.fields:
        properties[spec.key] = _TEXT
        properties[spec.key + CONFIDENCE] = _NUMBER
    return properties


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def digest(task: ReadTask) -> str:
    """A fingerprint of the schema."""
    asked = json.dumps(build(task), sort_keys=True)
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()
