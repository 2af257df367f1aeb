"""What is sent means what the description says it means: found by Schemathesis, kept here without it."""

import pytest

from templates_app.models import FieldTemplate

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"options": {"transcribe": "true"}}, "options.transcribe"),
        ({"options": {"trim": 1}}, "options.trim"),
        ({"options": {"retries": "2"}}, "options.retries"),
        ({"options": {"retries": True}}, "options.retries"),
        ({"options": {"rotation": False}}, "options.rotation"),
        ({"fields": [{"label": "Author", "hints": [None]}]}, "fields.0.hints"),
        ({"fields": [{"label": "Author", "threshold": "0.5"}]}, "fields.0.threshold"),
        ({"template_id": 0}, "template_id"),
    ],
)
def test_text_is_no_number_and_a_number_no_truth_value(api, body, named):
    details = api.refused("VALIDATION_ERROR", "post", "/batches", {"name": "Drawer 1", **body})
    assert [name for name in details if name.startswith(named)], details


def test_a_whole_number_may_be_written_with_a_point(api):
    options = {"retries": 3.0, "rotation": 90, "trim": True}
    assert api("post", "/batches", {"name": "Drawer 1", "options": options}).data["options"]["retries"] == 3


def test_messages_are_for_people(api):
    assert api.refused("VALIDATION_ERROR", "post", "/batches", {"name": " "}) == {"name": ["Say a name."]}


def test_a_bare_number_is_no_day(api):
    assert list(api.refused("VALIDATION_ERROR", "get", "/statistics?to=0")) == ["to"]
    assert api("get", "/statistics?from=2026-11-01&to=2026-11-20").data["cards"] == 0


def test_files_without_a_boundary_are_refused(api, batch):
    sent = {"data": b"--x--", "content_type": "multipart/form-data"}
    assert api.refused("VALIDATION_ERROR", "post", f"/batches/{batch.pk}/images", **sent) == {}


def test_keys_that_a_sign_in_does_not_know_are_refused(anonymous):
    body = {"username": "ingrid", "password": "curator-of-cards", "otp": "123456"}
    assert list(anonymous.refused("VALIDATION_ERROR", "post", "/auth/login", body)) == ["otp"]


def test_a_template_without_fields_is_exported_and_not_imported(api, user):
    made = api("post", "/templates", {"name": "Bare", "fields": []}).data["id"]
    exported = api("get", f"/templates/{made}/export").data
    assert list(api.refused("VALIDATION_ERROR", "post", "/templates/import", exported)) == ["fields"]
    assert FieldTemplate.objects.count() == 1


def test_a_template_from_elsewhere_may_know_more_and_is_no_less_strict(api):
    file = {"name": "Music cards", "fields": [{"label": "Author"}], "newer": True}
    assert list(api.refused("VALIDATION_ERROR", "post", "/templates/import", {**file, "stay_inside": 0})) == [
        "stay_inside"
    ]
    assert api("post", "/templates/import", file).data["name"] == "Music cards"


def test_a_bare_number_is_no_point_in_time(admins_api):
    assert list(admins_api.refused("VALIDATION_ERROR", "get", "/audit?to=0.5")) == ["to"]
    assert admins_api("get", "/audit?from=2026-11-01T00:00:00Z").status_code == 200
