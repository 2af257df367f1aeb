"""Webhooks are told: signed, tried again, never beyond what may be called, never to those who may not know."""

import json
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from batches import clock
from batches.actions import webhooks
from batches.drain import telling
from batches.models import Batch, Delivery, Webhook
from cardocr_site.accounts.models import User
from tests import receiver

Receiver = receiver.Receiver
DOCS = Path(__file__).resolve().parents[3] / "docs" / "webhooks.md"


@pytest.fixture
def listening() -> Iterator[Receiver]:
    with receiver.running() as running:
        yield running


@pytest.fixture
def sender() -> Iterator[telling.Sender]:
    made = telling.Sender(within=2.0)
    yield made
    made.close()


@pytest.fixture
def tell(sender: telling.Sender) -> telling.Telling:
    return telling.Telling(sender)


def made(user: User, batch: Batch, address: str, number: int = 1) -> tuple[list[Delivery], str]:
    hook, secret = webhooks.add(user, address, Webhook.Event.values, "own")
    payload = {"event": "batch.finished", "batch": {"id": batch.pk, "name": "Lade für „Übungen“"}}
    rows = [
        Delivery.objects.create(webhook=hook, event="batch.finished", batch=batch, payload=payload, next_at=clock.now())
        for _ in range(number)
    ]
    return rows, secret


def again(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(next_at=clock.now())


def documented(name: str) -> Any:
    """The function of this name, out of the page that tells programs how to check a signature."""
    code = DOCS.read_text().partition("```python\n")[2].partition("```")[0]
    known: dict[str, Any] = {}
    exec(code, known)
    return known[name]


def test_it_arrives_and_its_signature_is_checked_as_the_documentation_says(
    listening: Receiver, tell: telling.Telling, user: User, batch: Batch
):
    (delivery,), secret = made(user, batch, listening.address)
    tell.tell_all()
    ((path, headers, body),) = listening.got
    assert (path, headers["Content-Type"]) == ("/told?from=cards", "application/json")
    assert (headers["X-Cardocr-Event"], headers["X-Cardocr-Delivery"]) == ("batch.finished", str(delivery.uid))
    assert json.loads(body) == delivery.payload
    is_ours = documented("is_ours")
    signature = headers["X-Cardocr-Signature"]
    assert is_ours(secret, signature, body)
    assert not is_ours("whsec_another", signature, body)
    assert not is_ours(secret, signature, body.replace(b"finished", b"reviewed"))
    sent_at = int(signature.partition(",")[0].removeprefix("t="))
    assert not is_ours(secret, signature.replace(str(sent_at), str(sent_at + 1)), body), "its time is signed, too"
    assert not is_ours(secret, telling.signature(secret, body, sent_at - 3600), body), "that one is an hour old"
    delivery.refresh_from_db()
    assert (delivery.status, delivery.code, delivery.tries, delivery.next_at) == ("delivered", 204, 1, None)
    assert delivery.seconds is not None
    tell.tell_all()
    assert len(listening.got) == 1


def test_a_refusal_is_tried_again_later_and_later_and_then_given_up(
    listening: Receiver, tell: telling.Telling, user: User, batch: Batch, caplog: pytest.LogCaptureFixture
):
    (delivery,), secret = made(user, batch, listening.address)
    listening.code = 500
    waits = []
    with caplog.at_level(logging.WARNING):
        for _time in range(6):
            begun = clock.now()
            tell.tell_all()
            delivery.refresh_from_db()
            waits.append(delivery.next_at and round((delivery.next_at - begun) / timedelta(minutes=1)))
            again(delivery)
    assert waits == [1, 5, 30, 120, 480, None]
    assert (delivery.status, delivery.code, delivery.tries) == ("given_up", 500, 6)
    assert delivery.problem == telling.REFUSED
    assert str(delivery.uid) in caplog.text
    assert secret not in caplog.text
    assert "from=cards" not in caplog.text


def test_a_redirect_is_not_followed(listening: Receiver, tell: telling.Telling, user: User, batch: Batch):
    (delivery,), _secret = made(user, batch, listening.address)
    listening.code, listening.location = 302, listening.address
    tell.tell_all()
    delivery.refresh_from_db()
    assert (len(listening.got), delivery.code, delivery.problem) == (1, 302, telling.REDIRECTED)


def test_a_slow_receiver_holds_nobody_up(listening: Receiver, user: User, batch: Batch):
    slow = telling.Telling(telling.Sender(within=0.3))
    with receiver.running() as stuck:
        stuck.hold = threading.Event()
        (waits, *_others), _secret = made(user, batch, stuck.address, 5)
        (arrives,), _secret = made(user, batch, listening.address)
        slow.tell_all()
    waits.refresh_from_db()
    arrives.refresh_from_db()
    assert (waits.status, waits.problem, waits.code) == ("waiting", telling.TOO_SLOW, None)
    assert waits.seconds is not None
    assert waits.seconds < 2.0
    assert arrives.status == "delivered"
    assert arrives.tried_at < Delivery.objects.order_by("pk")[4].tried_at, "in the first round"


def test_where_an_address_leads_is_looked_at_with_each_try(
    listening: Receiver, tell: telling.Telling, user: User, batch: Batch, settings: Any
):
    (delivery,), _secret = made(user, batch, listening.address)
    settings.ALLOW_PRIVATE_ENGINES = []
    tell.tell_all()
    delivery.refresh_from_db()
    assert (listening.got, delivery.status, delivery.code) == ([], "waiting", None)
    assert "CARDOCR_ALLOW_PRIVATE_ENGINES" in delivery.problem


@pytest.mark.parametrize("address", ["http://169.254.169.254/latest", "http://[::]/", "http://127.0.0.1:1/"])
def test_a_hostile_or_dead_address_fails_alone(
    listening: Receiver, tell: telling.Telling, user: User, batch: Batch, address: str
):
    (bad,), _secret = made(user, batch, listening.address)
    Webhook.objects.update(address=address)
    (good,), _secret = made(user, batch, listening.address)
    tell.tell_all()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.code, bool(bad.problem)) == ("waiting", None, True)
    assert good.status == "delivered"


def test_who_may_not_know_any_more_is_told_nothing(
    listening: Receiver, tell: telling.Telling, other_user: User, user: User, batch: Batch
):
    made(other_user, batch, listening.address)
    made(user, batch, listening.address)
    Batch.objects.update(everybody="none")
    User.objects.filter(pk=user.pk).update(is_active=False)
    tell.tell_all()
    assert listening.got == []
    assert {one.status for one in Delivery.objects.all()} == {"withheld"}


def test_what_is_switched_off_waits(listening: Receiver, tell: telling.Telling, user: User, batch: Batch):
    made(user, batch, listening.address)
    Webhook.objects.update(enabled=False)
    tell.tell_all()
    assert listening.got == []
    Webhook.objects.update(enabled=True)
    tell.tell_all()
    assert len(listening.got) == 1


def test_two_consumers_send_it_once(listening: Receiver, tell: telling.Telling, user: User, batch: Batch):
    made(user, batch, listening.address)
    due = telling._due()
    assert [len(telling._claimed(due)) for _consumer in range(2)] == [1, 0]
    tell.tell_all()
    assert listening.got == [], "the first of them has it"


def test_a_secret_that_cannot_be_opened_is_said(
    listening: Receiver, tell: telling.Telling, user: User, batch: Batch, settings: Any
):
    (delivery,), _secret = made(user, batch, listening.address)
    settings.ENCRYPTION_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    tell.tell_all()
    delivery.refresh_from_db()
    assert (listening.got, delivery.status) == ([], "waiting")
    assert "encryption key has changed" in delivery.problem


def test_what_is_replayed_is_sent_again_with_all_its_tries(
    listening: Receiver, tell: telling.Telling, user: User, batch: Batch
):
    (delivery,), _secret = made(user, batch, listening.address)
    tell.tell_all()
    webhooks.replay(delivery, delivery.webhook.owner)
    tell.tell_all()
    first, second = (headers["X-Cardocr-Delivery"] for _path, headers, _body in listening.got)
    assert first == second == str(delivery.uid)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.tries) == ("delivered", 1)
