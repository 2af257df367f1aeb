"""Who may call what: each call with the right that it needs, tried by each role over each way of sharing.

A call without a rule fails, and so does a rule without its call.
"""

import json
import re

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction

from batches.models import Batch, CardResult
from batches.states import CardStatus, ResultState
from cardocr_site.accounts import tokens
from cardocr_site.accounts.models import User
from cardocr_site.api import api as ninja_api
from ocr.models import Engine
from templates_app import versions
from templates_app.models import FieldTemplate
from tests.batches.reading import give_result, stored

# open: everybody; self: whoever is signed in, about oneself or what all may know; see, correct, edit, own: of what an
# address names; make: operators; administrator.
RULES = {
    "open": ["login", "register", "get_health"],
    "self": [
        *("logout", "list_tokens", "create_token", "get_me", "change_me", "set_my_key", "delete_my_key"),
        *("list_batches", "list_engines", "list_models", "search_all", "get_statistics", "list_templates"),
        "list_webhooks",
    ],
    "see": [
        *("get_batch", "get_status", "list_images", "get_image", "get_try", "list_results", "get_result"),
        *("get_history", "export_batch", "get_template", "export_template"),
    ],
    "correct": ["correct_result", "accept_candidate", "reject_candidate"],
    "edit": [
        *("change_batch", "add_images", "remove_image", "set_selection", "set_fields", "try_batch", "start_batch"),
        *("pause_batch", "resume_batch", "cancel_batch", "retry_batch", "retry_image", "reread_batch", "put_template"),
    ],
    "own": ["delete_batch", "erase_card", "delete_template"],
    "make": ["create_batch", "create_template", "import_template"],
    "administrator": ["list_audit", "test_engine"],
}
# Tried where their own topic is: what their address names belongs to one person, or is there in some states alone.
ELSEWHERE = {
    "tests/site/api/test_signing_in.py": ["delete_token"],
    "tests/site/api/test_health.py": ["get_ready"],
    "tests/batches/api/test_runs.py": ["get_task", "cancel_task"],
    "tests/batches/api/test_streams.py": ["follow_batch"],
    "tests/batches/api/test_webhooks.py": [
        *("create_webhook", "change_webhook", "delete_webhook", "list_deliveries", "replay_delivery"),
    ],
}

FIELDS = [{"label": "A"}]
TEMPLATE = {"name": "New", "fields": FIELDS}
BODIES = {
    "create_batch": {"name": "New"},
    "change_batch": {"collection": "Maps"},
    "set_selection": {"all": True},
    "set_fields": {"fields": FIELDS},
    "start_batch": {"confirm": True},
    "correct_result": {"version": 0, "values": {"author": "x"}},
    "accept_candidate": {"version": 0},
    "reject_candidate": {"version": 0},
    "create_template": TEMPLATE,
    "put_template": TEMPLATE | {"name": "Music"},
    "import_template": TEMPLATE,
    "create_token": {"name": "x"},
    "set_my_key": {"key": "x"},
}
QUERIES = {"search_all": "?q=grieg", "delete_batch": "?confirm=Drawer 12"}
DENIED = {"AUTH_REQUIRED", "AUTH_INVALID", "PERMISSION_DENIED", "RESOURCE_NOT_FOUND"}
MISSING = {"get_image", "delete_my_key"}  # is not there, to those who may see it

PEOPLE = ("anonymous", "", "viewer", "reviewer", "operator", "owner", "administrator")
SHARED = ("none", "read", "edit")


def operations():
    for router in ninja_api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                yield operation.view_func.__name__, operation.methods[0].lower(), f"{router.prefix}{path}"


OPERATIONS = {name: (method, path) for name, method, path in operations()}
RIGHT_OF = {name: right for right, names in RULES.items() for name in names}


def test_each_call_has_a_rule_and_each_rule_its_call():
    elsewhere = [name for names in ELSEWHERE.values() for name in names]
    assert sorted([*RIGHT_OF, *elsewhere]) == sorted(OPERATIONS)
    assert all((settings.BASE_DIR / where).is_file() for where in ELSEWHERE)


def expected(person: str, shared: str, right: str) -> str:
    """The error's code; empty: it is let in."""
    if right == "open":
        return ""
    if person == "anonymous":
        return "AUTH_REQUIRED"
    if right == "self" or person == "administrator":
        return ""
    if right in {"make", "administrator"}:
        return "" if right == "make" and person in {"operator", "owner"} else "PERMISSION_DENIED"
    if person == "owner":
        return ""
    if person == "" or shared == "none":
        return "RESOURCE_NOT_FOUND"
    allowed = {
        "see": True,
        "correct": person in {"reviewer", "operator"},
        "edit": person == "operator" and shared == "edit",
        "own": False,
    }
    return "" if allowed[right] else "PERMISSION_DENIED"


@pytest.fixture
def named(batch, make_cards, user) -> dict[str, object]:
    """What addresses name: a batch and a template of Ingrid's."""
    (card,) = make_cards(1, CardStatus.COMPLETED)
    give_result(card, {"author": stored("Grieg")})
    other = CardResult.objects.create(card=card, state=ResultState.CANDIDATE, values={"author": "Grief"})
    template = versions.create(user, "Music")
    return {
        "batch_id": batch.pk,
        "card_id": card.pk,
        "filename": card.filename,
        "n": other.pk,
        "template_id": template.pk,
        "engine_id": Engine.objects.get().pk,
    }


@pytest.fixture
def headers(user, other_user, administrator) -> dict[str, dict[str, str]]:
    """Of each person; the roles are those of somebody whose batches these are not."""
    made = {"anonymous": {}, "owner": _bearer(user), "administrator": _bearer(administrator)}
    for role in ("", "viewer", "reviewer", "operator"):
        person = User.objects.create_user(f"role-{role}", password="x" * 20)
        person.role = role
        person.save()
        made[role] = _bearer(person)
    return made


def _bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.sign_in(user)[0]}"}


@pytest.mark.parametrize("name", RIGHT_OF)
def test_each_call_lets_in_whom_it_should(client, named, headers, name):
    method, path = OPERATIONS[name]
    path = re.sub(r"{(?:int:)?(\w+)}", lambda part: str(named[part[1]]), path) + QUERIES.get(name, "")
    for shared in SHARED:
        Batch.objects.update(everybody=shared)
        FieldTemplate.objects.update(everybody=shared)
        for person in PEOPLE:
            with transaction.atomic():
                code = _code(client, method, path, name, headers[person])
                transaction.set_rollback(True)
            wanted = expected(person, shared, RIGHT_OF[name])
            told = f"{person or 'nobody’s role'}, shared {shared}"
            if wanted:
                assert code == wanted, told
            else:
                assert code not in DENIED or name in MISSING or RIGHT_OF[name] == "open", told


def _code(client, method, path, name, headers) -> str:
    more = {"data": json.dumps(BODIES.get(name, {})), "content_type": "application/json"}
    if name == "add_images":
        more = {"data": {"files": SimpleUploadedFile("1.jpg", b"x")}}
    response = getattr(client, method)(f"/api/v1{path}", headers=headers, **({} if method == "get" else more))
    assert response.status_code < 500, response.content
    if response.status_code < 400:
        return ""
    return str(response.json()["error"]["code"])
