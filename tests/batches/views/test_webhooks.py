"""The pages of webhooks: what a person makes, sees of it, and sends again."""

from typing import Any

import pytest
from django.test import Client

from batches.actions import webhooks
from batches.drain import telling
from batches.models import Batch, Delivery, Webhook
from cardocr_site.accounts.models import User
from ocr import sealing

ADDRESS = "http://127.0.0.1:9/told"
FILLED: dict[str, Any] = {"address": ADDRESS, "batches": "own", "events": ["batch.finished", "batch.paused"]}


@pytest.fixture
def signed_in(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def hook(user: User) -> Webhook:
    return webhooks.add(user, ADDRESS, ["batch.finished"], "own")[0]


@pytest.fixture
def delivery(hook: Webhook, batch: Batch) -> Delivery:
    return Delivery.objects.create(
        webhook=hook,
        event="batch.finished",
        batch=batch,
        payload={"batch": {"name": "<b>Drawer 12</b>"}},
        status="given_up",
        tries=6,
        next_at=None,
        code=302,
        seconds=0.25,
        problem=telling.REDIRECTED,
    )


def test_the_profile_leads_to_them(signed_in: Client):
    assert 'href="/webhooks/"' in signed_in.get("/accounts/profile/").text


def test_one_is_added_and_its_secret_is_shown_once(signed_in: Client, user: User):
    assert "No program is called" in signed_in.get("/webhooks/").text
    answer = signed_in.post("/webhooks/", FILLED)
    row = Webhook.objects.get()
    assert (row.owner, row.address, row.events, row.batches) == (user, ADDRESS, FILLED["events"], "own")
    secret = sealing.unseal(row.sealed_secret)
    assert f'value="{secret}"' in answer.text
    assert "no-store" in answer.headers["Cache-Control"]
    listed = signed_in.get("/webhooks/").text
    assert f'href="/webhooks/{row.pk}/"' in listed
    assert "a batch is finished, a batch is paused" in listed
    assert secret not in listed + signed_in.get(f"/webhooks/{row.pk}/").text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"address": "http://169.254.169.254/"}, "never called"),
        ({"address": "ftp://example.org/"}, "must start with http"),
        ({"address": ""}, "This field is required."),
        ({"events": []}, "Choose at least one event."),
        ({"events": ["card.read"]}, "card.read"),
        ({"batches": "theirs"}, "theirs"),
    ],
)
def test_what_is_wrong_is_said_and_kept(signed_in: Client, changed: dict[str, Any], said: str):
    answer = signed_in.post("/webhooks/", {**FILLED, **changed})
    assert answer.status_code == 422
    assert said in answer.text
    assert "This was not saved:" in answer.text
    assert not Webhook.objects.exists()


def test_who_sees_no_batches_adds_none(signed_in: Client, user: User):
    User.objects.filter(pk=user.pk).update(role="")
    assert "Add a webhook" not in signed_in.get("/webhooks/").text
    assert signed_in.post("/webhooks/", FILLED).status_code == 403


def test_administrators_see_whose_it_is(client: Client, administrator: User, hook: Webhook):
    client.force_login(administrator)
    assert "Ingrid Solberg" in client.get("/webhooks/").text
    assert "Ingrid Solberg" in client.get(f"/webhooks/{hook.pk}/").text


def test_others_see_nothing_of_it(client: Client, other_user: User, hook: Webhook):
    client.force_login(other_user)
    assert ADDRESS not in client.get("/webhooks/").text


def test_what_came_of_it_is_shown_and_sent_again(signed_in: Client, delivery: Delivery):
    path = f"/webhooks/{delivery.webhook_id}/"
    page = signed_in.get(path).text
    for words in ("given up", "It answered with a redirect", "302", "0.25", "&lt;b&gt;Drawer 12"):
        assert words in page
    address = f"{path}deliveries/{delivery.pk}/replay/"
    assert f'formaction="{address}"' in page
    assert "It is sent again" in signed_in.post(address, follow=True).text
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries, delivery.problem) == ("waiting", 0, "")
    assert delivery.next_at


def test_a_delivery_of_another_webhook_is_not_sent_again(signed_in: Client, user: User, delivery: Delivery):
    other, _secret = webhooks.add(user, ADDRESS, ["batch.paused"], "own")
    assert signed_in.post(f"/webhooks/{other.pk}/deliveries/{delivery.pk}/replay/").status_code == 404


def test_it_is_switched_off_and_on(signed_in: Client, hook: Webhook):
    for value, said in (("0", "It is switched off."), ("1", "It is switched on.")):
        assert said in signed_in.post(f"/webhooks/{hook.pk}/switch/", {"enabled": value}, follow=True).text
        hook.refresh_from_db()
        assert hook.enabled is (value == "1")


def test_it_is_removed_after_a_yes(signed_in: Client, delivery: Delivery):
    path = f"/webhooks/{delivery.webhook_id}/delete/"
    assert "Remove the webhook?" in signed_in.get(path).text
    assert Webhook.objects.exists()
    assert "The webhook is removed." in signed_in.post(path, follow=True).text
    assert not Webhook.objects.exists()


def test_the_list_asks_the_same_whatever_its_length(
    client: Client, administrator: User, hook: Webhook, django_assert_max_num_queries: Any
):
    client.force_login(administrator)
    counted = []
    for _round in range(2):
        with django_assert_max_num_queries(20) as asked:
            client.get("/webhooks/")
        counted.append(len(asked))
        webhooks.add(hook.owner, ADDRESS, ["batch.paused"], "all")
    assert counted[0] == counted[1]
