"""The description of the calls: complete, the same as what is answered, open to everybody; the page for staff."""

import pytest
from ninja import Schema

from cardocr_site.api import api as ninja_api

FILE = {"schema": {"type": "string", "format": "binary"}}  # has no envelope


@pytest.fixture
def described(client, db):
    return client.get("/api/v1/openapi.json").json()


def calls(described):
    for path, methods in described["paths"].items():
        for method, call in methods.items():
            yield f"{method} {path}", call


def test_each_call_has_a_name_of_its_own_a_summary_and_a_topic(described):
    names = [call["operationId"] for _name, call in calls(described)]
    assert len(names) == len(set(names)) > 5
    for name, call in calls(described):
        assert call.get("description"), name
        assert call.get("tags"), name


def test_each_answer_has_the_envelope(described):
    schemas = described["components"]["schemas"]
    for name, call in calls(described):
        for status, response in call["responses"].items():
            content = response.get("content", {})
            if "application/json" not in content or content["application/json"] == FILE:
                continue
            properties = schemas[content["application/json"]["schema"]["$ref"].rpartition("/")[2]]["properties"]
            assert set(properties) == ({"success", "data"} if int(status) < 400 else {"success", "error"}), name


def test_each_call_that_needs_a_sign_in_says_so_and_how_it_may_be_refused(described):
    open_to_all = {name for name, call in calls(described) if not call.get("security")}
    health = {"get /api/v1/health", "get /api/v1/health/ready"}
    assert open_to_all == {"post /api/v1/auth/login", "post /api/v1/auth/register", *health}
    for name, call in calls(described):
        wanted = {"429", "500"} | ({"404"} if "{" in name else set())
        wanted |= set() if name in open_to_all else {"401", "403"}
        assert wanted <= set(call["responses"]), name


def test_the_page_that_tries_calls_is_for_staff(client, user, administrator):
    assert client.get("/api/v1/docs").status_code == 302
    client.force_login(user)
    assert client.get("/api/v1/docs").status_code == 302
    client.force_login(administrator)
    page = client.get("/api/v1/docs").content.decode()
    assert "/api/v1/openapi.json" in page
    assert "//cdn" not in page


def test_no_call_is_left_without_a_sign_in_by_mistake():
    for router in ninja_api._get_bound_routers():
        for view in router.path_operations.values():
            for operation in view.operations:
                name = operation.view_func.__name__
                assert operation.auth_callbacks or name in {"login", "register", "get_health", "get_ready"}, name


def _kinds(parent):
    for kind in parent.__subclasses__():
        yield kind
        yield from _kinds(kind)


def test_no_two_objects_that_are_sent_share_a_name(described):
    """The description knows one object by a name: of two it would tell the last."""
    ours = ("batches", "cardocr_site", "templates_app", "ocr")
    kinds = {kind for kind in _kinds(Schema) if kind.__module__.partition(".")[0] in ours}
    names = [kind.__name__ for kind in kinds if kind.__name__ in described["components"]["schemas"]]
    assert [name for name in set(names) if names.count(name) > 1] == []


def test_nothing_is_described_that_no_call_takes_or_gives(described):
    assert {"BatchIn", "Failure", "Problem", "WhoseKey"} <= set(described["components"]["schemas"])
    assert not {"Paging", "AuditAsked", "ExportAsked"} & set(described["components"]["schemas"])


def test_a_body_that_may_be_left_out_is_no_null(described):
    body = described["paths"]["/api/v1/batches/{batch_id}/retry"]["post"]["requestBody"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/WhoseKey"}
    assert not body.get("required")
