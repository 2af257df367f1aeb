"""Webhooks by programs: whose they are, what is refused, what came of what was sent."""

from typing import Any

import pytest

from batches.actions import webhooks
from batches.models import Batch, Delivery, Webhook
from cardocr_site.accounts import tokens
from cardocr_site.accounts.models import AccessToken, User
from ocr import sealing
from tests.conftest import ApiClient

ADDRESS = "http://127.0.0.1:9/told"


@pytest.fixture
def delivery(user: User, batch: Batch) -> Delivery:
    """A given-up one, of a webhook of Ingrid's."""
    hook, _secret = webhooks.add(user, ADDRESS, ["batch.paused"], "own")
    return Delivery.objects.create(
        webhook=hook, event="batch.paused", batch=batch, payload={"a": 1}, status="given_up", tries=6, next_at=None
    )


def test_one_is_made_and_its_secret_is_told_once(api: ApiClient):
    made = api("post", "/webhooks", {"address": ADDRESS, "events": ["batch.reviewed", "batch.paused"]})
    assert made.status_code == 201
    secret = made.data.pop("secret")
    row = Webhook.objects.get()
    assert secret.startswith("whsec_")
    assert secret not in row.sealed_secret
    assert sealing.unseal(row.sealed_secret) == secret
    assert made.data["events"] == ["batch.paused", "batch.reviewed"]
    assert (made.data["owner"], made.data["batches"], made.data["enabled"]) == ("ingrid", "own", True)
    listed = api("get", "/webhooks")
    assert listed.data == {"items": [made.data], "next": None, "total": 1}
    assert "whsec_" not in listed.text


def test_without_events_all_are_meant(api: ApiClient):
    assert len(api("post", "/webhooks", {"address": ADDRESS}).data["events"]) == 4


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"address": "http://169.254.169.254/latest/meta-data"}, "address"),
        ({"address": "http://10.0.0.7/"}, "address"),
        ({"address": "http://metadata.google.internal/"}, "address"),
        ({"address": "https://ingrid:secret@example.org/"}, "address"),
        ({"address": "file:///etc/passwd"}, "address"),
        ({"address": "https://exa mple.org/"}, "address"),
        ({"address": "a\u0000b"}, "address"),
        ({"address": ""}, "address"),
        ({"address": "https://example.org/" + "x" * 1000}, "address"),
        ({}, "address"),
        ({"address": ADDRESS, "events": []}, "events"),
        ({"address": ADDRESS, "events": ["card.read"]}, "events"),
        ({"address": ADDRESS, "batches": "everybody's"}, "batches"),
        ({"address": ADDRESS, "secret": "mine"}, "secret"),
    ],
)
def test_what_cannot_be_one_is_refused(api: ApiClient, body: dict[str, Any], name: str):
    (found,) = api.refused("VALIDATION_ERROR", "post", "/webhooks", body)
    assert found.startswith(name)
    assert not Webhook.objects.exists()


def test_nobody_has_more_than_twenty(api: ApiClient, user: User):
    for _one in range(webhooks.MOST):
        webhooks.add(user, ADDRESS, ["batch.paused"], "own")
    assert "address" in api.refused("VALIDATION_ERROR", "post", "/webhooks", {"address": ADDRESS})


def test_it_is_switched_off_and_on_and_removed(api: ApiClient, delivery: Delivery):
    path = f"/webhooks/{delivery.webhook_id}"
    for wanted in (False, True):
        assert api("patch", path, {"enabled": wanted}).data["enabled"] is wanted
        assert Webhook.objects.get().enabled is wanted
    api.refused("VALIDATION_ERROR", "patch", path, {"enabled": True, "address": "http://10.0.0.7/"})
    assert api("delete", path).data is None
    assert not Webhook.objects.exists()
    assert not Delivery.objects.exists()
    api.refused("RESOURCE_NOT_FOUND", "delete", path)


def test_what_it_was_told_is_listed_and_sent_again(api: ApiClient, delivery: Delivery):
    path = f"/webhooks/{delivery.webhook_id}/deliveries"
    (one,) = api("get", path).data["items"]
    assert (one["id"], one["delivery"], one["payload"]) == (delivery.pk, str(delivery.uid), {"a": 1})
    assert (one["status"], one["tries"], one["next_at"]) == ("given_up", 6, None)
    replayed = api("post", f"{path}/{delivery.pk}/replay")
    assert replayed.status_code == 202
    assert (replayed.data["status"], replayed.data["tries"]) == ("waiting", 0)
    assert replayed.data["next_at"]
    api.refused("RESOURCE_NOT_FOUND", "post", f"{path}/{delivery.pk + 1}/replay")


CALLS = [
    ("patch", "/webhooks/{hook}", {"enabled": False}),
    ("delete", "/webhooks/{hook}", None),
    ("get", "/webhooks/{hook}/deliveries", None),
    ("post", "/webhooks/{hook}/deliveries/{n}/replay", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_others_do_not_know_of_it_and_administrators_do(
    others_api: ApiClient, admins_api: ApiClient, delivery: Delivery, method: str, path: str, body: Any
):
    path = path.format(hook=delivery.webhook_id, n=delivery.pk)
    others_api.refused("RESOURCE_NOT_FOUND", method, path, body)
    assert others_api("get", "/webhooks").data["total"] == 0
    assert Webhook.objects.filter(enabled=True).exists()
    assert admins_api("get", "/webhooks").data["total"] == 1
    assert admins_api(method, path, body).status_code < 300


@pytest.mark.parametrize(("method", "path", "body"), [("get", "/webhooks", None), ("post", "/webhooks", {}), *CALLS])
def test_they_are_for_those_who_signed_in(anonymous: ApiClient, delivery: Delivery, method: str, path: str, body: Any):
    anonymous.refused("AUTH_REQUIRED", method, path.format(hook=delivery.webhook_id, n=delivery.pk), body)


@pytest.mark.parametrize(
    ("method", "path", "body"), [("post", "/webhooks", {"address": ADDRESS}), *CALLS[:2], CALLS[3]]
)
def test_a_token_for_reading_changes_none(
    api: ApiClient, user: User, delivery: Delivery, method: str, path: str, body: Any
):
    _row, token = tokens.make(user, "reader", AccessToken.Scope.READ, 1)
    api.headers = {"Authorization": f"Bearer {token}"}
    api.refused("PERMISSION_DENIED", method, path.format(hook=delivery.webhook_id, n=delivery.pk), body)


def test_who_sees_no_batches_makes_none(api: ApiClient, user: User):
    User.objects.filter(pk=user.pk).update(role="")
    api.refused("PERMISSION_DENIED", "post", "/webhooks", {"address": ADDRESS})


@pytest.mark.parametrize("path", ["/webhooks/9223372036854775808/deliveries", "/webhooks/1/deliveries"])
def test_one_that_is_not_there(api: ApiClient, path: str):
    api.refused("RESOURCE_NOT_FOUND", "get", path)
