"""What the description of the calls says of one that a test has made."""

import re
from functools import cache
from typing import Any

from cardocr_site.api import api

JSON = "application/json"


@cache
def calls() -> dict[tuple[str, str], dict[str, Any]]:
    """Each call by method and path."""
    paths = api.get_openapi_schema()["paths"]
    return {(method, path): call for path, methods in paths.items() for method, call in methods.items()}


def call_of(response: Any, method: str) -> dict[str, Any] | None:
    """None for an address or a method that does not exist."""
    match = response.wsgi_request.resolver_match
    if match is None:
        return None
    path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", match.route)
    return calls().get((method, f"/{path}"))


def codes(call: dict[str, Any]) -> set[str]:
    """The errors that a call may answer with."""
    found = [response.get("content", {}).get(JSON, {}) for response in call["responses"].values()]
    return {code for content in found for code in content.get("examples", ())}


def check(response: Any, method: str, told: Any) -> None:
    """Fails where a call answers with an error of which its description knows nothing."""
    call = call_of(response, method)
    if call is None:
        return
    if not told["success"]:
        assert told["error"]["code"] in codes(call), f"{call['operationId']} does not tell of {told['error']['code']}"
