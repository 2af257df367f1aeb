"""What webhooks are told, of which batches, and by whom owned."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from batches import changes
from batches.actions import runs, webhooks
from batches.drain import sweeper
from batches.models import Batch, Card, Delivery, Webhook
from batches.states import BatchStatus, CardStatus, PauseReason
from cardocr_site.accounts.models import User
from tests.batches.drain.test_claims import make_worker

Make = Callable[..., list[Card]]
ADDRESS = "http://127.0.0.1:9/told"


@pytest.fixture(autouse=True)
def _no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.tasks, "drain", lambda batch_id: None)


def hook_of(user: User, batches: str = "own", events: list[str] | None = None) -> Webhook:
    return webhooks.add(user, ADDRESS, events or Webhook.Event.values, batches)[0]


def told(hook: Webhook) -> list[str]:
    return [one.event for one in hook.deliveries.order_by("pk")]


@pytest.fixture
def running(batch: Batch, make_cards: Make) -> Batch:
    make_cards(2)
    return changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())


def finish(batch: Batch, **marks: bool) -> None:
    with changes.locked(batch) as change:
        change.move_cards(batch.cards.filter(status=CardStatus.PENDING), CardStatus.COMPLETED, **marks)
        change.finish_if_done(timezone.now())


def test_a_finished_batch_is_told_as_it_stands(running: Batch, user: User, make_cards: Make):
    hook = hook_of(user)
    make_cards(3, CardStatus.FAILED)
    finish(running, to_check=True)
    (one,) = hook.deliveries.all()
    about = one.payload["batch"]
    assert (one.event, one.payload["event"], one.status) == ("batch.finished", "batch.finished", "waiting")
    assert (about["id"], about["name"], about["owner"]) == (running.pk, "Drawer 12", "ingrid")
    assert (about["status"], about["completed"], about["failed"], about["to_check"]) == ("completed", 2, 3, 2)
    assert about["url"] == f"http://127.0.0.1:8000/batches/{running.pk}/"
    assert "reason" not in one.payload


def test_when_the_last_card_is_checked_that_is_told_once(running: Batch, user: User):
    hook = hook_of(user)
    finish(running, to_check=True)
    first, last = running.cards.all()
    for card in (first, last):
        assert told(hook) == ["batch.finished"]
        with changes.locked(running) as change:
            change.touch_card(card, to_check=False, reviewed=True)
    with changes.locked(running) as change:
        change.touch_card(last, original_name="renamed.jpg")
    assert told(hook) == ["batch.finished", "batch.reviewed"]
    assert hook.deliveries.first().payload["batch"]["reviewed"] == 2


def test_a_batch_with_nothing_to_check_is_finished_and_reviewed(running: Batch, user: User):
    hook = hook_of(user)
    finish(running)
    assert told(hook) == ["batch.finished", "batch.reviewed"]


def test_a_pause_is_told_with_its_reason_also_one_by_a_person(running: Batch, user: User):
    hook = hook_of(user)
    changes.move_batch(running, BatchStatus.PAUSED, pause_reason=PauseReason.BUDGET, pause_message="10 of 10 USD")
    changes.move_batch(running, BatchStatus.QUEUED, pause_reason="")
    runs.pause(running, user)
    payloads = [one.payload for one in hook.deliveries.order_by("pk")]
    assert [(one["reason"], one["message"]) for one in payloads] == [("budget", "10 of 10 USD"), ("person", "")]
    assert {one["batch"]["status"] for one in payloads} == {"paused"}


def test_the_probes_of_an_outage_are_one_pause(running: Batch, user: User):
    hook = hook_of(user)
    for _probe in range(3):
        changes.move_batch(running, BatchStatus.PAUSED, pause_reason=PauseReason.ENDPOINT)
        changes.move_batch(running, BatchStatus.QUEUED, pause_reason="")
    assert told(hook) == ["batch.paused"]
    Delivery.objects.update(at=timezone.now() - timedelta(hours=2))
    changes.move_batch(running, BatchStatus.PAUSED, pause_reason=PauseReason.ENDPOINT)
    assert told(hook) == ["batch.paused", "batch.paused"]


def test_a_batch_that_cannot_go_on_is_told(running: Batch, user: User):
    hook = hook_of(user)
    changes.move_batch(running, BatchStatus.RUNNING)
    changes.move_batch(running, BatchStatus.FAILED)
    assert told(hook) == ["batch.failed"]


def test_only_what_was_asked_for_is_told(running: Batch, user: User):
    hook, off = hook_of(user, events=["batch.reviewed"]), hook_of(user)
    Webhook.objects.filter(pk=off.pk).update(enabled=False)
    finish(running)
    assert (told(hook), told(off)) == (["batch.reviewed"], [])


def test_others_hear_of_it_where_they_see_it_and_asked_for_all(running: Batch, other_user: User, administrator: User):
    own, every = hook_of(other_user), hook_of(other_user, "all")
    admins = hook_of(administrator, "all")
    changes.move_batch(running, BatchStatus.PAUSED, pause_reason=PauseReason.DISK)
    assert [told(one) for one in (own, every, admins)] == [[], ["batch.paused"], ["batch.paused"]]
    Batch.objects.update(everybody="none")
    changes.move_batch(running, BatchStatus.QUEUED, pause_reason="")
    changes.move_batch(running, BatchStatus.PAUSED, pause_reason=PauseReason.DISK)
    assert [len(told(one)) for one in (own, every, admins)] == [0, 1, 2]


def test_who_was_deactivated_hears_nothing(running: Batch, user: User):
    hook = hook_of(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    finish(running)
    assert told(hook) == []


def test_what_is_taken_back_is_not_told(running: Batch, user: User):
    hook = hook_of(user)
    with transaction.atomic():
        changes.move_batch(running, BatchStatus.PAUSED, pause_reason=PauseReason.DISK)
        assert told(hook) == ["batch.paused"]
        transaction.set_rollback(True)
    assert told(hook) == []


def test_deliveries_are_kept_for_thirty_days(batch: Batch, user: User):
    hook = hook_of(user)
    old, new = (Delivery.objects.create(webhook=hook, event="batch.paused", batch=batch, payload={}) for _ in range(2))
    Delivery.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=31))
    sweeper.Sweeper(make_worker("me")).sweep()
    assert list(hook.deliveries.all()) == [new]
