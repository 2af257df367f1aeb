"""Examples for the description of the calls: of each object that is sent or answered.

A test holds that each object has one that fits it. An answer's is put together of those, by the description.
"""

from collections.abc import Mapping
from typing import Any

STARTED, READ, DONE = "2026-11-20T14:05:00Z", "2026-11-20T14:05:09Z", "2026-11-20T14:16:00Z"
TOKEN = "cardocr_kT5…"  # noqa: S105
TASK = "batch-7kq2mxw9ab"
VALUES = {"author": "Grieg, Edvard", "title": "Peer Gynt"}
FIELD: dict[str, Any] = {
    "key": "author",
    "label": "Author",
    "instruction": "",
    "type": "text",
    "choices": [],
    "pattern": None,
    "required": True,
    "active": True,
    "example": None,
    "threshold": None,
    "hints": {"aliases": ["Composer"], "keywords": [], "position": "first", "avoid": [], "until": None},
}
FIELDS_SENT = [{"label": "Author", "required": True}, {"label": "Title"}, {"label": "Year", "type": "year"}]
PROGRESS = {
    "batch_id": 3,
    "status": "running",
    "version": 17,
    "total": 300,
    "pending": 267,
    "processing": 16,
    "completed": 16,
    "failed": 0,
    "skipped": 1,
    "cancelled": 0,
    "to_check": 2,
    "reviewed": 0,
    "percent": 5,
    "current": 17,
    "message": "File 17 of 299",
    "cards_per_minute": 27.4,
    "eta_seconds": 620,
    "elapsed_seconds": 35,
    "tokens_in": 20800,
    "tokens_out": 1600,
    "cost": "0.0312",
    "currency": "USD",
}
BATCH = {
    "id": 3,
    "uid": "7kq2mxw9ab",
    "name": "Drawer 12",
    "label": "Drawer_12_2026-11-20_14-05_7kq2mxw9ab",
    "collection": "Music",
    "tags": ["music"],
    "status": "running",
    "pause_reason": None,
    "pause_message": None,
    "retry_at": None,
    "owner": "ingrid",
    "created_at": "2026-11-20T13:58:00Z",
    "started_at": STARTED,
    "finished_at": None,
    "fields": [FIELD],
    "instruction": "",
    "template_id": 2,
    "template_version": 4,
    "engine": "In the house",
    "model": "qwen3-vl:8b",
    "options": {"retries": 2, "pilot": 0, "transcribe": False},
    "budget": None,
    "sharing": {"everybody": "read", "groups": {"Cataloguers": "edit"}},
    "progress": PROGRESS,
}
RESULT = {
    "card_id": 120,
    "filename": "card-0017.jpg",
    "original_name": "Card 17.jpg",
    "position": 17,
    "version": 17,
    "template_version": 4,
    "to_check": True,
    "candidates": [],
    "status": "completed",
    "values": VALUES,
    "fields": {
        "author": {
            "verbatim": "GRIEG, Edvard",
            "value": "Grieg, Edvard",
            "state": "value",
            "confidence": 0.62,
            "region": [0.05, 0.08, 0.4, 0.07],
            "issues": ["The engine is not sure of “Author”."],
            "verified_by": None,
        }
    },
    "confidence": {"author": 0.62, "title": 0.97},
    "confidence_overall": 0.62,
    "issues": {"author": ["The engine is not sure of “Author”."]},
    "entries": None,
    "transcription": "",
    "summary": "",
    "pictures": "",
    "reviewed": False,
    "reviewed_by": None,
    "error": None,
    "attempts": 1,
    "engine": "In the house",
    "model": "qwen3-vl:8b",
    "tokens_in": 1300,
    "tokens_out": 100,
    "cost": "0.0019",
    "duration_seconds": 2.1,
    "finished_at": READ,
}
SCRIPT_TOKEN = {
    "id": 4,
    "name": "Nightly export",
    "scope": "read",
    "created_at": STARTED,
    "expires_at": "2027-11-20T14:05:00Z",
    "last_used_at": None,
}
HOOK = {
    "id": 5,
    "owner": "ingrid",
    "address": "https://catalogue.example.org/cardocr",
    "events": ["batch.finished", "batch.failed"],
    "batches": "own",
    "enabled": True,
    "created_at": STARTED,
}
TEMPLATE_FILE = {
    "name": "Music cards",
    "description": "Typed cards with one work each",
    "instruction": "",
    "stay_inside": False,
    "fields": FIELDS_SENT,
}
TEMPLATE = TEMPLATE_FILE | {
    "id": 2,
    "owner": "ingrid",
    "everybody": "read",
    "version": 4,
    "version_id": 11,
    "fields": [FIELD],
    "created_at": STARTED,
    "updated_at": STARTED,
}
ATTEMPT = {
    "started_at": STARTED,
    "duration_seconds": 2.1,
    "engine": "In the house",
    "model": "qwen3-vl:8b",
    "error": None,
    "error_message": "",
    "tokens_in": 1300,
    "tokens_out": 100,
    "cost": "0.0019",
}
CORRECTED = {"at": DONE, "by": "ingrid", "key": "author", "entry": 0, "old": "Greig, Edvard", "new": "Grieg, Edvard"}

OBJECTS: dict[str, Any] = {
    "NoneType": None,
    "Alive": {"status": "ok"},
    "Ready": {"database": "ok", "queue": "ok", "consumer": "ok", "disk": "ok"},
    "Credentials": {"username": "ingrid", "password": "a long sentence of your own"},
    "SignedIn": {"token": "eyJhbGciOiJIUzI1NiIs…", "token_type": "Bearer", "expires_at": "2026-11-21T14:05:00Z"},
    "Registration": {
        "username": "ingrid",
        "email": "ingrid@example.org",
        "password": "a long sentence of your own",
    },
    "Registered": {"user_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "token": "eyJhbGciOiJIUzI1NiIs…"},
    "TokenIn": {"name": "Nightly export", "scope": "read", "days": 365},
    "TokenOut": SCRIPT_TOKEN,
    "TokenMade": SCRIPT_TOKEN | {"token": TOKEN},
    "AuditOut": {
        "id": 812,
        "at": STARTED,
        "actor": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "actor_name": "ingrid",
        "address": "192.0.2.17",
        "act": "start",
        "object_kind": "batch",
        "object_id": "3",
        "object_name": "Drawer 12",
        "outcome": "done",
        "details": {},
        "request_id": "5f0c9c2e7a8b4d17",
    },
    "MeOut": {
        "user_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "username": "ingrid",
        "email": "ingrid@example.org",
        "role": "operator",
        "preferred_engine": None,
        "preferred_model": "",
        "api_key_configured": False,
        "created_at": STARTED,
        "updated_at": STARTED,
    },
    "MeIn": {"email": "ingrid@example.org"},
    "KeyIn": {"key": "sk-of-your-own"},
    "KeyOut": {"engine_id": 1, "set_at": STARTED},
    "BatchIn": {"name": "Drawer 12", "collection": "Music", "tags": ["music"], "fields": FIELDS_SENT},
    "BatchOut": BATCH,
    "BatchChange": {"name": "Drawer 12, second half", "tags": ["music", "typed"]},
    "ProgressOut": PROGRESS,
    "AddedOut": {
        "added": [{"id": 120, "filename": "card-0017.jpg", "original_name": "Card 17.jpg"}],
        "rejected": [
            {"original_name": "notes.txt", "code": "FILE_TYPE_INVALID", "message": "This is no image that can be read."}
        ],
        "tasks": [],
    },
    "ImageOut": {
        "id": 120,
        "filename": "card-0017.jpg",
        "original_name": "Card 17.jpg",
        "position": 17,
        "status": "pending",
        "skip_reason": None,
        "width": 1512,
        "height": 2152,
    },
    "SelectionIn": {"all": True, "left_out": [120]},
    "SelectionOut": {"total": 300, "chosen": 299, "not_chosen": 1, "blank": 0},
    "FieldsIn": {"fields": FIELDS_SENT, "instruction": "Names as on the card."},
    "FieldsOut": {"fields": [FIELD], "instruction": "Names as on the card."},
    "TryIn": {"card_ids": [120]},
    "TryOutSchema": {"cards": [{"card_id": 120, "finished": True, "values": VALUES, "error": None}]},
    "StartIn": {"confirm": True},
    "Started": {"task_id": TASK, "status": "pending"},
    "WhoseKey": {"key": "batch"},
    "Retried": {"retried": 3},
    "RereadIn": {"filter": {"filter": "check"}, "engine_id": 1, "model": "qwen3-vl:8b"},
    "Reread": {"task_id": TASK, "cards": 12},
    "ResultOut": RESULT,
    "Correction": {"version": 17, "values": {"author": "Grieg, Edvard"}, "reviewed": True},
    "Acceptance": {"version": 17, "keys": ["author"]},
    "Decision": {"version": 17},
    "HistoryOut": {"attempts": [ATTEMPT], "corrections": [CORRECTED]},
    "EngineOut": {
        "id": 1,
        "name": "In the house",
        "kind": "openai_compatible",
        "place": "inside",
        "model": "qwen3-vl:8b",
        "is_default": True,
        "priced": False,
        "currency": "USD",
    },
    "ModelOut": {"name": "qwen3-vl:8b"},
    "TestIn": {"model": "qwen3-vl:8b", "key": "engine"},
    "TestOut": {"asked": True},
    "SearchOut": {
        "batches": [{"id": 3, "name": "Drawer 12", "collection": "Music", "status": "completed"}],
        "cards": [
            {
                "batch_id": 3,
                "card_id": 120,
                "original_name": "Card 17.jpg",
                "status": "completed",
                "values": {"Author": "Grieg, Edvard"},
            }
        ],
        "next": None,
    },
    "StatisticsOut": {
        "cards": 299,
        "completed": 296,
        "failed": 3,
        "cards_per_day": {"2026-11-20": 299},
        "failures": {"reply_truncated": 3},
        "seconds_mean": 2.2,
        "seconds_p95": 4.8,
        "tokens_in": 388700,
        "tokens_out": 29900,
        "calls": 304,
        "cost": {"USD": "0.583"},
        "corrections": {"author": 14},
    },
    "TaskOut": {
        "task_id": TASK,
        "task_type": "read_batch",
        "status": "running",
        "progress": 5,
        "result": {"batch_id": 3, "completed": 16, "failed": 0},
        "error_message": None,
    },
    "WebhookIn": {"address": "https://catalogue.example.org/cardocr", "events": ["batch.finished"], "batches": "own"},
    "WebhookOut": HOOK,
    "WebhookMade": HOOK | {"secret": "whsec_…"},
    "WebhookChange": {"enabled": False},
    "DeliveryOut": {
        "id": 71,
        "delivery": "0b6d4b0e-6b0f-4f7e-8f52-6a3c3f0c8a11",
        "event": "batch.finished",
        "status": "delivered",
        "tries": 1,
        "payload": {"event": "batch.finished", "batch": {"id": 3, "name": "Drawer 12"}},
        "created_at": DONE,
        "tried_at": DONE,
        "next_at": None,
        "code": 200,
        "seconds": 0.12,
        "problem": "",
    },
    "TemplateIn": TEMPLATE_FILE,
    "TemplateOut": TEMPLATE,
    "TemplateFile": TEMPLATE_FILE,
    "TemplateFileIn": TEMPLATE_FILE,
}


def example_of(name: str, schemas: Mapping[str, Any]) -> Any:
    """An object's own, or of the envelope or the list around it. Raises KeyError where there is none."""
    if name in OBJECTS:
        return OBJECTS[name]
    about = schemas[name]["properties"]
    if "items" in about:
        inner = about["items"]["items"]["$ref"]
        return {"items": [example_of(_last(inner), schemas)], "next": None, "total": 1}
    data = about["data"]
    return {"success": True, "data": example_of(_last(data["$ref"]), schemas) if "$ref" in data else None}


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]
