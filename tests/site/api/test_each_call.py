"""Each call answers with each error that its description tells of: those that all share here, its own where it stands.

Who may call what is in test_matrix.py, and that each call succeeds. That no test is answered with an error which the
description does not tell of: tests/described.py.
"""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from cardocr_site.accounts import tokens
from cardocr_site.accounts.models import AccessToken, User
from cardocr_site.contract import STATUS_OF
from tests import described
from tests.conftest import ApiClient
from tests.site.api.test_matrix import BODIES, QUERIES

pytestmark = pytest.mark.django_db

SHARED = {
    *("AUTH_REQUIRED", "AUTH_INVALID", "AUTH_EXPIRED", "PERMISSION_DENIED", "RESOURCE_NOT_FOUND", "TASK_NOT_FOUND"),
    *("VALIDATION_ERROR", "FILE_TOO_LARGE", "RATE_LIMIT_EXCEEDED"),
}
IN_PERSON = {"AUTH_REQUIRED", "AUTH_INVALID", "AUTH_EXPIRED", "PERMISSION_DENIED"}
EVERYWHERE = {
    "INTERNAL_ERROR": "site.api.test_envelope.test_what_fails_here_is_told_by_its_request_alone",
    "NOT_READY": "site.test_unreached.test_a_program_is_told_by_its_code",
}
DRAFTS, RUNS, RESULTS = "batches.api.test_drafts.", "batches.api.test_runs.", "batches.api.test_results."
SIGNING_IN, OVERALL = "site.api.test_signing_in.", "batches.api.test_overall."
# What a call refuses for a reason of its own, and the test that holds it.
OWN = {
    ("login", "AUTH_INVALID"): SIGNING_IN + "test_a_wrong_password_is_told_and_slows_down",
    ("login", "PERMISSION_DENIED"): SIGNING_IN + "test_the_first_password_is_changed_in_the_browser",
    ("login", "NOT_READY"): "servers.test_ldap.test_nobody_pays_with_tries_for_it",
    ("register", "PERMISSION_DENIED"): SIGNING_IN + "test_nobody_makes_an_account_unless_the_site_lets_them",
    ("get_ready", "NOT_READY"): "site.api.test_health.test_without_a_heartbeat_the_consumer_is_not_ready",
    ("delete_batch", "BATCH_STATE_INVALID"): DRAFTS + "test_a_batch_that_somebody_lets_go_on_meanwhile_is_not_deleted",
    ("delete_batch", "VALIDATION_ERROR"): DRAFTS + "test_a_batch_is_deleted_by_whoever_says_its_name",
    ("add_images", "BATCH_LOCKED"): DRAFTS + "test_after_the_start_no_scan_is_added",
    ("remove_image", "BATCH_LOCKED"): DRAFTS + "test_after_the_start_nothing_of_it_changes",
    ("set_selection", "BATCH_LOCKED"): DRAFTS + "test_after_the_start_nothing_of_it_changes",
    ("set_fields", "BATCH_LOCKED"): DRAFTS + "test_after_the_start_nothing_of_it_changes",
    ("try_batch", "BATCH_LOCKED"): DRAFTS + "test_after_the_start_nothing_of_it_changes",
    ("pause_batch", "BATCH_STATE_INVALID"): RUNS + "test_pause_resume_and_cancel",
    ("resume_batch", "BATCH_STATE_INVALID"): RUNS + "test_pause_resume_and_cancel",
    ("cancel_batch", "BATCH_STATE_INVALID"): RUNS + "test_pause_resume_and_cancel",
    ("retry_batch", "BATCH_STATE_INVALID"): RUNS + "test_a_draft_has_nothing_to_read_again",
    ("retry_image", "BATCH_STATE_INVALID"): RUNS + "test_one_failed_card_is_read_again",
    ("reread_batch", "BATCH_STATE_INVALID"): RUNS + "test_cards_are_read_once_more",
    ("correct_result", "BATCH_STATE_INVALID"): RESULTS + "test_a_card_that_was_not_read_is_not_corrected",
    ("correct_result", "EDIT_CONFLICT"): RESULTS + "test_somebody_elses_change_is_told_and_kept",
    ("accept_candidate", "BATCH_STATE_INVALID"): RESULTS + "test_nothing_is_decided_about_a_card_that_changed_or_waits",
    ("accept_candidate", "EDIT_CONFLICT"): RESULTS + "test_nothing_is_decided_about_a_card_that_changed_or_waits",
    ("reject_candidate", "BATCH_STATE_INVALID"): RESULTS + "test_nothing_is_decided_about_a_card_that_changed_or_waits",
    ("reject_candidate", "EDIT_CONFLICT"): RESULTS + "test_nothing_is_decided_about_a_card_that_changed_or_waits",
    ("erase_card", "BATCH_STATE_INVALID"): "batches.api.test_erasing.test_not_while_it_is_read",
    ("follow_batch", "VALIDATION_ERROR"): "batches.api.test_streams.test_what_is_no_cursor_is_refused",
    ("export_batch", "BATCH_STATE_INVALID"): RESULTS + "test_a_draft_has_no_file",
    ("list_models", "API_KEY_INVALID"): OVERALL + "test_why_there_are_no_models",
    ("list_models", "ENGINE_UNAVAILABLE"): OVERALL + "test_why_there_are_no_models",
    ("get_statistics", "RESOURCE_NOT_FOUND"): OVERALL + "test_figures_of_batches_that_one_may_see",
    ("cancel_task", "BATCH_STATE_INVALID"): RUNS + "test_a_file_that_is_being_opened_is_a_task",
    ("cancel_task", "TASK_ALREADY_COMPLETED"): RUNS + "test_pause_resume_and_cancel",
}
MORE = {  # what the matrix leaves out, or takes as nothing
    "change_webhook": {"enabled": True},
    "create_webhook": {"address": "https://catalogue.example.org/", "events": ["finished"]},
    "login": {"username": "x", "password": "y"},
}
CALLS = {call["operationId"]: (method, path, call) for (method, path), call in described.calls().items()}
SIGNED_IN = [name for name, (_method, _path, call) in CALLS.items() if call.get("security")]


@pytest.fixture
def person(administrator: User) -> User:
    return administrator


@pytest.fixture
def tell(client: Any, person: User) -> Any:
    """The code of the error that a call answers with; empty where it succeeds."""

    def ask(name: str, headers: dict[str, str] | None = None, **more: Any) -> str:
        method, path, call = CALLS[name]
        path = re.sub(r"{\w+}", "987654", path).removeprefix("/api/v1")
        caller = ApiClient(client, person)
        caller.headers |= headers or {}
        if "data" not in more and "body" not in more:
            more |= {"body": (BODIES | MORE).get(name, {})} if "requestBody" in call else {}
        response = caller(method, path + more.pop("query", QUERIES.get(name, "")), **more)
        return "" if response.status_code < 400 else str(response.error["code"])

    return ask


def answers(name: str, code: str) -> bool:
    """With this error, and for no reason of its own."""
    return code in described.codes(CALLS[name][2]) and (name, code) not in OWN


def takes_queries(call: dict[str, Any]) -> list[str]:
    return [one["name"] for one in call.get("parameters", ()) if one["in"] == "query"]


@pytest.mark.parametrize("name", SIGNED_IN)
def test_who_calls_is_known_and_may(tell, person, name):
    token = tokens.make(person, "old", AccessToken.Scope.ADMIN, 1)[1]
    AccessToken.objects.filter(name="old").update(expires_at=timezone.now() - timedelta(days=1))
    assert tell(name, {"Authorization": ""}) == "AUTH_REQUIRED"
    assert tell(name, {"Authorization": "Bearer nonsense"}) == "AUTH_INVALID"
    assert tell(name, {"Authorization": f"Bearer {token}"}) == "AUTH_EXPIRED"
    User.objects.filter(pk=person.pk).update(must_change_password=True)
    assert tell(name) == "PERMISSION_DENIED"


@pytest.mark.parametrize("name", [name for name in SIGNED_IN if "{" in CALLS[name][1]])
def test_what_is_not_there_is_not_found(tell, name):
    code = "TASK_NOT_FOUND" if "task_id" in CALLS[name][1] else "RESOURCE_NOT_FOUND"
    more = {"data": {"files": SimpleUploadedFile("1.jpg", b"x")}} if name == "add_images" else {}
    assert tell(name, **more) == code


@pytest.mark.parametrize("name", [name for name in CALLS if answers(name, "VALIDATION_ERROR")])
def test_what_is_wrong_is_refused(tell, name):
    method, _path, call = CALLS[name]
    if "requestBody" in call:
        assert tell(name, body=[1]) == "VALIDATION_ERROR"
    elif queries := takes_queries(call):
        wrong = "&".join(f"{one}=%00" for one in queries)
        assert tell(name, query=f"?{wrong}") == "VALIDATION_ERROR"
    else:
        assert method == "post"
        assert tell(name, {"Idempotency-Key": "x" * 201}) == "VALIDATION_ERROR"


@pytest.mark.parametrize("name", [name for name in CALLS if answers(name, "FILE_TOO_LARGE")])
def test_what_is_too_much_is_refused(tell, settings, name):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    much = {"x": "a" * 2000}
    more = {"data": much} if name == "add_images" else {"body": much}
    assert tell(name, **more) == "FILE_TOO_LARGE"


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize("name", CALLS)
def test_what_is_too_often_is_refused(tell, settings, name):
    settings.RATES = dict.fromkeys(settings.RATES, 1)
    tell(name)
    assert tell(name) == "RATE_LIMIT_EXCEEDED"


def test_each_error_that_a_call_tells_of_has_a_test():
    told = {(name, code) for name, (_method, _path, call) in CALLS.items() for code in described.codes(call)}
    alone = {(name, code) for name, code in told if code not in SHARED | set(EVERYWHERE)}
    alone |= {(name, code) for name, code in told if code in IN_PERSON and name not in SIGNED_IN}
    assert alone <= set(OWN) <= told
    for where in [*EVERYWHERE.values(), *OWN.values()]:
        module, _dot, test = where.rpartition(".")
        path = settings.BASE_DIR / "tests" / f"{module.replace('.', '/')}.py"
        assert f"def {test}(" in path.read_text(), where
    assert set(STATUS_OF) - {code for _name, code in told} == {"METHOD_NOT_ALLOWED", "FILE_TYPE_INVALID"}
