"""What every call has in common, added to its description: errors, examples, headers, the idempotency key."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from cardocr_site.api.examples import example_of
from cardocr_site.contract import CODES, STATUS_OF, Failure, envelope

DESCRIPTION = """
Each answer is `{"success": true, "data": …}` or `{"success": false, "error": {"code", "message", "details"}}`.
Lists come in parts: `?limit=` (100, at most 1000) and `?cursor=`, which is `next` of the part before.
Sign in with `POST /auth/login` or with a token made on the profile page, and send `Authorization: Bearer <token>`.
A `POST` with an `Idempotency-Key` may be sent again after a lost answer: it happens once, for 24 hours.
Each answer names its request in `X-Request-ID`; with 429 and 503, `Retry-After` says when to come again.
`X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds since 1970) say how many requests like this one are left in this
minute: sign-ins, uploads, starts and all others are counted apart, by person, or by address where nobody is signed in.
"""
COMMON = (
    "AUTH_REQUIRED",
    "AUTH_INVALID",
    "AUTH_EXPIRED",
    "PERMISSION_DENIED",
    "RATE_LIMIT_EXCEEDED",
    "INTERNAL_ERROR",
    "NOT_READY",
)
OPEN = ("RATE_LIMIT_EXCEEDED", "INTERNAL_ERROR", "NOT_READY")  # of calls that need no sign-in
OF_A_BODY = "FILE_TOO_LARGE"
OF_INPUTS = "VALIDATION_ERROR"
OF_A_THING = "RESOURCE_NOT_FOUND"  # that the address names; a call may have a code of its own for it
METHODS = {"get", "post", "put", "patch", "delete"}
TYPES = {str: "string", int: "integer"}
JSON = "application/json"
REFERENCE = "#/components/schemas/"
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "maxLength": 200},
    "required": False,
    "description": "Sent again with the same key, the request happens once.",
}
HEADERS = {
    "X-Request-ID": ("string", "The name of this request, in the log, too."),
    "X-RateLimit-Limit": ("integer", "Requests like this one in a minute."),
    "X-RateLimit-Remaining": ("integer", "How many of them are left."),
    "X-RateLimit-Reset": ("integer", "When they begin anew, in seconds since 1970."),
    "Retry-After": ("integer", "Seconds after which it may be tried again."),
}
LATER = (429, 503)
MESSAGES = {
    "AUTH_REQUIRED": "Sign in first: send a token.",
    "AUTH_INVALID": "This token is not known here, or was revoked.",
    "AUTH_EXPIRED": "This token has expired: sign in again.",
    "PERMISSION_DENIED": "You may not do that.",
    "RESOURCE_NOT_FOUND": "There is no such thing, or you may not know of it.",
    "VALIDATION_ERROR": "Some of what was sent is not right: see the details.",
    "FILE_TOO_LARGE": "That is more than is taken at once.",
    "BATCH_LOCKED": "The batch has started: its scans and fields stay as they are.",
    "BATCH_STATE_INVALID": "That cannot be done now: see the status.",
    "TASK_NOT_FOUND": "There is no such task.",
    "TASK_ALREADY_COMPLETED": "This task has finished.",
    "EDIT_CONFLICT": "The card has changed since it was read: see the details.",
    "ENGINE_UNAVAILABLE": "The reading engine could not be reached.",
    "API_KEY_INVALID": "The reading engine refuses the key.",
    "NOT_READY": "Not ready: see the details, and “manage.py doctor”.",
    "RATE_LIMIT_EXCEEDED": "Too many requests: wait a little.",
    "INTERNAL_ERROR": "Something went wrong here. Tell an administrator this request id: 4c1d…",
}
DETAILS: dict[str, dict[str, Any]] = {
    "VALIDATION_ERROR": {"name": ["Field required"]},
    "BATCH_LOCKED": {"status": "running"},
    "BATCH_STATE_INVALID": {"status": "draft"},
    "NOT_READY": {"database": "ok", "queue": "ok", "consumer": "failed", "disk": "ok"},
    "INTERNAL_ERROR": {"request_id": "4c1d…"},
}


def completed(schema: Any) -> Any:
    components = schema["components"]
    schema["servers"] = [{"url": "/"}]  # whatever this was fetched from
    components["headers"] = {
        name: {"schema": {"type": kind}, "description": about} for name, (kind, about) in HEADERS.items()
    }
    failure = Failure.model_json_schema(ref_template=REFERENCE + "{model}")
    components["schemas"] |= failure.pop("$defs") | {"Failure": failure}
    for methods in schema["paths"].values():
        for method, call in methods.items():
            if method in METHODS:
                _complete(method, call, components["schemas"])
    for name in [name for name, one in components["schemas"].items() if CODES in one]:
        del components["schemas"][name]
    _simplify(components["schemas"])
    _prune(schema)
    return schema


def _prune(schema: Any) -> None:
    """Leaves out what no call takes or gives: ninja lists the inputs of addresses as objects, too."""
    schemas = schema["components"]["schemas"]
    used: set[str] = set()
    wanted = _named(schema["paths"])
    while wanted:
        used |= wanted
        wanted = set().union(*(_named(schemas[name]) for name in wanted)) - used
    schema["components"]["schemas"] = {name: one for name, one in schemas.items() if name in used}


def _named(part: Any) -> set[str]:
    """The schemas that a part of the description refers to."""
    if isinstance(part, list):
        return set().union(*map(_named, part))
    if not isinstance(part, dict):
        return set()
    found = set().union(*map(_named, part.values()))
    reference = part.get("$ref")
    known = isinstance(reference, str) and reference.startswith(REFERENCE)
    return found | {str(reference).removeprefix(REFERENCE)} if known else found


def _simplify(part: Any) -> None:
    """What makers of clients stumble over is said in another way: an enumeration of several types, and a default that
    is an object (which its own parts have already)."""
    if isinstance(part, list):
        for one in part:
            _simplify(one)
    if not isinstance(part, dict):
        return
    kinds = {type(one) for one in part.get("enum", ())} if isinstance(part.get("enum"), list) else set()
    if len(kinds) > 1:
        values = part.pop("enum")
        part["anyOf"] = [
            {"type": TYPES[kind], "enum": [one for one in values if type(one) is kind]}
            for kind in TYPES
            if kind in kinds
        ]
    if "allOf" in part and isinstance(part.get("default"), dict):
        del part["default"]
    for one in part.values():
        _simplify(one)


def codes_of(method: str, call: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[int, list[str]]:
    """The codes that a call may answer with, by status: its own, and those that all calls have."""
    codes: dict[int, list[str]] = {}
    for status, response in call["responses"].items():
        reference = response.get("content", {}).get(JSON, {}).get("schema", {}).get("$ref", "")
        codes[int(status)] = schemas.get(reference.removeprefix(REFERENCE), {}).get(CODES, [])
    codes = {status: found for status, found in codes.items() if found}
    shared = [*(COMMON if call.get("security") else OPEN), *([OF_A_BODY] if "requestBody" in call else [])]
    places = {one["in"] for one in call.get("parameters", ())}
    if "path" in places and STATUS_OF[OF_A_THING] not in codes:
        shared.append(OF_A_THING)
    if "requestBody" in call or "query" in places or method == "post":  # which has the header of a key
        shared.append(OF_INPUTS)
    for code in shared:
        if code not in codes.get(STATUS_OF[code], ()):
            codes.setdefault(STATUS_OF[code], []).append(code)
    return codes


def _complete(method: str, call: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    responses = call["responses"]
    for status, codes in sorted(codes_of(method, call, schemas).items()):
        responses[status] = _failure(status, codes)
    for status, response in responses.items():
        names = [name for name in HEADERS if name != "Retry-After" or int(status) in LATER]
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    if method == "post" and call.get("security"):
        call["parameters"].append(IDEMPOTENCY_KEY)
    for parameter in call.get("parameters", ()):
        if isinstance(parameter.get("examples"), list):  # a schema's are a list, a parameter's an object
            parameter["example"] = parameter.pop("examples")[0]
    _show(call, schemas)


def _failure(status: int, codes: Sequence[str]) -> dict[str, Any]:
    examples = {code: {"value": envelope(code, MESSAGES[code], DETAILS.get(code))} for code in codes}
    content = {JSON: {"schema": {"$ref": f"{REFERENCE}Failure"}, "examples": examples}}
    return {"description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}", "content": content}


def _show(call: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """An example of what is sent, and of what is answered where it is done."""
    body = call.get("requestBody", {}).get("content", {}).get(JSON)
    if body is not None and {"type": "null"} in body["schema"].get("anyOf", ()):
        body["schema"] = body["schema"]["anyOf"][0]  # it may be left out: no client need send a null
    answers = (response.get("content", {}).get(JSON) for response in call["responses"].values())
    for content in (body, *answers):
        if content is not None and "examples" not in content and "$ref" in content["schema"]:
            content["example"] = example_of(content["schema"]["$ref"].removeprefix(REFERENCE), schemas)
