"""What every call has in common, added to its description: errors, headers, the idempotency key."""

from http import HTTPStatus
from typing import Any

from cardocr_site.contract import Failure

DESCRIPTION = """
Each answer is `{"success": true, "data": …}` or `{"success": false, "error": {"code", "message", "details"}}`.
Lists come in parts: `?limit=` (100, at most 1000) and `?cursor=`, which is `next` of the part before.
Sign in with `POST /auth/login` or with a token made on the profile page, and send `Authorization: Bearer <token>`.
A `POST` with an `Idempotency-Key` may be sent again after a lost answer: it happens once, for 24 hours.
Each answer names its request in `X-Request-ID`; with 429 and 503, `Retry-After` says when to come again.
`X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds since 1970) say how many requests like this one are left in this
minute: sign-ins, uploads, starts and all others are counted apart, by person, or by address where nobody is signed in.
"""
COMMON = (401, 403, 404, 422, 429, 500)
OPEN = (422, 429, 500)  # of calls that need no sign-in
METHODS = {"get", "post", "put", "patch", "delete"}
FAILURE = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "maxLength": 200},
    "required": False,
    "description": "Sent again with the same key, the request happens once.",
}


def completed(schema: Any) -> Any:
    failure = Failure.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["components"]["schemas"] |= failure.pop("$defs") | {"Failure": failure}
    for methods in schema["paths"].values():
        for method, call in methods.items():
            if method in METHODS:
                _complete(method, call)
    return schema


def _complete(method: str, call: dict[str, Any]) -> None:
    signed_in = bool(call.get("security"))
    for status in COMMON if signed_in else OPEN:
        call["responses"].setdefault(status, {"description": HTTPStatus(status).phrase, "content": FAILURE})
    if method == "post" and signed_in:
        call["parameters"].append(IDEMPOTENCY_KEY)
