"""Hooks of Schemathesis, which loads this file in its own environment: nothing of ours can be imported here.

Schemathesis holds that what fits the description must be accepted. Some rules no description can say: that a name is
taken, that an id is known, that a batch has scans. `SAYS_MORE` lists the inputs with such rules, call by call; any
other refusal of what the description allows is a fault of the description.
"""

import itertools
from typing import Any

import schemathesis

CURSOR = {"cursor"}
FIELDS = {"fields", "instruction"}
MADE_OF = {"template_id", "engine_id", "model", "tags", "options"}
SAYS_MORE: dict[str, set[str]] = {
    "create_batch": {*FIELDS, *MADE_OF, ""},
    "change_batch": {"tags", "budget", "sharing"},
    "change_me": {"preferred_model", "preferred_engine", "email"},
    "set_my_key": {"key"},
    "list_audit": {"object"},
    "create_webhook": {"address"},
    "change_webhook": {"address"},
    "delete_batch": {"confirm"},
    "set_fields": FIELDS,
    "set_selection": {"chosen", "left_out"},
    "try_batch": {"card_ids", ""},
    "start_batch": {""},
    "reread_batch": {"engine_id", "model", "template_version_id", "card_ids", "field", "filter", ""},
    "correct_result": {"values"},
    "accept_candidate": {"keys"},
    "create_template": {"name", *FIELDS},
    "put_template": {"name", *FIELDS},
    "import_template": {*FIELDS, "name", "scans"},
    "test_engine": {"model"},
    "get_statistics": {"to", "from"},
    "register": {"username", "email", "password"},
}
_keys = itertools.count()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """A key of its own for each request: the same one with another request is refused, as it should be."""
    mode = case.meta.generation.mode if case.meta else None
    tells_of_it = mode is not None and mode.is_negative and "HEADER" in str(case.meta.phase.data)
    sent = str((case.headers or {}).get("Idempotency-Key", ""))
    if 0 < len(sent) <= 200 and not tells_of_it:
        case.headers["Idempotency-Key"] = f"key-{next(_keys)}"


@schemathesis.check
def refused_by_the_description(ctx: Any, response: Any, case: Any) -> None:
    """What the description allows is refused only for what it cannot say."""
    if response.status_code != 422 or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    refused = {name.partition(".")[0] for name in response.json()["error"]["details"]} or {""}
    says_more = SAYS_MORE.get(case.operation.definition.raw["operationId"], set()) | CURSOR
    assert refused <= says_more, f"allowed by the description, and refused: {sorted(refused - says_more)}"
