"""The description against the contract: its calls and codes, an example and the errors of each call."""

import re

import pytest
from ninja import Schema

from batches.api import following
from cardocr_site.api import api as ninja_api
from cardocr_site.api.examples import OBJECTS
from cardocr_site.contract import STATUS_OF, Failure

# What the contract promises. A client that was written against it keeps working: nothing leaves this list.
CALLS = """
post /auth/login  post /auth/logout  post /auth/register  get /users/me  patch /users/me
put /users/me/keys/{engine_id}  delete /users/me/keys/{engine_id}
get /tokens  post /tokens  delete /tokens/{token_id}
post /batches  get /batches  get /batches/{batch_id}  delete /batches/{batch_id}  patch /batches/{batch_id}
post /batches/{batch_id}/images  get /batches/{batch_id}/images  delete /batches/{batch_id}/images/{filename}
get /batches/{batch_id}/images/{filename}  put /batches/{batch_id}/selection  put /batches/{batch_id}/fields
post /batches/{batch_id}/try  post /batches/{batch_id}/start  post /batches/{batch_id}/pause
post /batches/{batch_id}/resume  post /batches/{batch_id}/cancel  post /batches/{batch_id}/retry
post /batches/{batch_id}/retry-image/{filename}  post /batches/{batch_id}/reread
post /batches/{batch_id}/results/{card_id}/candidates/{n}/accept
post /batches/{batch_id}/results/{card_id}/candidates/{n}/reject
delete /batches/{batch_id}/cards/{card_id}  get /batches/{batch_id}/status  get /batches/{batch_id}/progress
get /batches/{batch_id}/results  patch /batches/{batch_id}/results/{card_id}
get /batches/{batch_id}/results/{card_id}/history  get /batches/{batch_id}/export
get /templates  post /templates  get /templates/{template_id}  put /templates/{template_id}
delete /templates/{template_id}  post /templates/import  get /templates/{template_id}/export
get /engines  get /engines/{engine_id}/models  post /engines/{engine_id}/test
get /tasks/{task_id}  post /tasks/{task_id}/cancel  get /search  get /audit
get /webhooks  post /webhooks  delete /webhooks/{webhook_id}  get /statistics  get /health  get /health/ready
"""
ACCEPTED = {"start_batch", "try_batch", "retry_batch", "retry_image", "reread_batch", "add_images", "test_engine"}
CODES = {
    **dict.fromkeys(("AUTH_REQUIRED", "AUTH_INVALID", "AUTH_EXPIRED"), 401),
    "PERMISSION_DENIED": 403,
    "RESOURCE_NOT_FOUND": 404,
    "VALIDATION_ERROR": 422,
    "FILE_TOO_LARGE": 413,
    "FILE_TYPE_INVALID": 415,
    "BATCH_LOCKED": 409,
    "BATCH_STATE_INVALID": 409,
    "TASK_NOT_FOUND": 404,
    "TASK_ALREADY_COMPLETED": 409,
    "EDIT_CONFLICT": 409,
    "ENGINE_UNAVAILABLE": 503,
    "API_KEY_INVALID": 424,
    "RATE_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
}
OURS = {"METHOD_NOT_ALLOWED": 405, "NOT_READY": 503}  # beside those of the contract
OPEN = {"login", "register", "get_health", "get_ready"}


@pytest.fixture(scope="module")
def described():
    described = ninja_api.get_openapi_schema()
    for methods in described["paths"].values():
        for call in methods.values():
            call["responses"] = {int(status): one for status, one in call["responses"].items()}
    return described


@pytest.fixture(scope="module")
def calls(described):
    return {
        call["operationId"]: (method, path.removeprefix("/api/v1"), call)
        for path, methods in described["paths"].items()
        for method, call in methods.items()
    }


def _kinds(parent):
    for kind in parent.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _fits(example, reference):
    """As what is sent and answered is checked: by the object's own class."""
    name = reference.rpartition("/")[2]
    if name.startswith("Reply_"):
        assert set(example) == {"success", "data"}, name
        assert example["success"] is True
        return
    (kind,) = {kind for kind in _kinds(Schema) if kind.__name__ == name}
    kind.model_validate(example)


def test_each_call_of_the_contract_is_there(calls):
    wanted = {
        " ".join(words) for words in (line.split(" ") for line in CALLS.replace("\n", "  ").split("  ")) if words[0]
    }
    assert len(wanted) == 58
    assert wanted - {f"{method} {path}" for method, path, _call in calls.values()} == set()


def test_each_code_of_the_contract_is_there_with_its_status():
    assert STATUS_OF == CODES | OURS


def test_long_work_is_answered_with_202(calls):
    assert {name for name in ACCEPTED if 202 not in calls[name][2]["responses"]} == set()


def test_each_object_has_an_example_that_fits(described):
    names = {name for name in described["components"]["schemas"] if name in OBJECTS}
    assert len(names) > 50
    for name in names:
        _fits(OBJECTS[name], name)
    assert set(OBJECTS) - names == {"NoneType"}, "an example of what is no more"


def test_each_body_and_each_answer_has_an_example(calls):
    for name, (_method, _path, call) in calls.items():
        bodies = call.get("requestBody", {}).get("content", {}).values()
        answers = [one for answer in call["responses"].values() for one in answer.get("content", {}).values()]
        for content in (*bodies, *answers):
            if "format" in content["schema"] or content["schema"].get("title") == "FileParams":
                continue  # a file
            assert "example" in content or content["examples"], name
            if "example" in content and "$ref" in content["schema"]:
                _fits(content["example"], content["schema"]["$ref"])


def test_each_call_tells_its_errors_by_code(calls):
    for name, (_method, _path, call) in calls.items():
        told = set()
        for status, answer in call["responses"].items():
            if status < 400:
                continue
            for code, example in answer["content"]["application/json"]["examples"].items():
                assert (STATUS_OF[code], example["value"]["error"]["code"]) == (status, code), name
                assert code in answer["description"]
                Failure.model_validate(example["value"])
                told.add(code)
        assert {"RATE_LIMIT_EXCEEDED", "INTERNAL_ERROR"} <= told, name
        signed_in = {"AUTH_REQUIRED", "AUTH_INVALID", "AUTH_EXPIRED", "PERMISSION_DENIED"} <= told
        assert signed_in is (name not in OPEN), name


def test_each_answer_names_its_headers(described, calls):
    for name, (_method, _path, call) in calls.items():
        for status, answer in call["responses"].items():
            assert {"X-Request-ID", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= set(
                answer["headers"]
            )
            assert status not in {429, 503} or "Retry-After" in answer["headers"], name
            for header in answer["headers"].values():
                assert header["$ref"].rpartition("/")[2] in described["components"]["headers"]


def test_it_says_where_the_calls_are_and_how_one_signs_in(described):
    assert [one["url"] for one in described["servers"]] == ["/"]
    (scheme,) = described["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert "X-CSRFToken" in scheme["description"]


def test_it_says_what_a_cursor_of_a_stream_looks_like(calls):
    inputs = [one for one in calls["follow_batch"][2]["parameters"] if one["in"] in {"query", "header"}]
    assert [one["name"] for one in inputs] == ["since", "Last-Event-ID"]
    for one in inputs:
        pattern = one["schema"]["pattern"]
        for text in ("", "5", "5.12", "5.done", "5.12.done", "x", "5.", ".done", "0" * 19, "5.x", "-1"):
            assert bool(re.search(pattern, text)) is (following.cursor_of(text) is not None), text
