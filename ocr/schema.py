"""The JSON schema of a reply: flat, without references, each field a text or null beside its confidence."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ocr.engines.base import ReadTask

CONFIDENCE = "__confidence"


def transcription_key(task: ReadTask) -> str:
    """The name of the transcription in a reply, unlike every field's."""
    name, taken = "transcription", {spec.key for spec in task.fields}
    while name in taken:
        name = f"card_{name}"
    return name


def build(task: ReadTask) -> Mapping[str, Any]:
    """What some endpoints demand is done for all: every property required, none besides."""
    properties: dict[str, Any] = {}
    if task.options.transcribe:
        properties[transcription_key(task)] = {"type": ["string", "null"]}
    for spec in task.fields:
        properties[spec.key] = {"type": ["string", "null"]}
        properties[spec.key + CONFIDENCE] = {"type": ["number", "null"]}
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
