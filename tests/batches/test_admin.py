from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from batches.models import Attempt, Batch, Card, Spending
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from ocr.models import Engine


@pytest.fixture
def desk(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


@pytest.fixture
def failed(batch: Batch, make_cards: Callable[..., list[Card]]) -> list[Card]:
    told = {"error": "engine_timeout", "error_message": "no answer in 120 s", "prepared_at": timezone.now(), "tries": 3}
    cards = make_cards(2, CardStatus.FAILED, **told)
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.COMPLETED, label="drawer-12_x")
    return cards


def act(desk: Client, model: str, name: str, *rows: Batch | Card) -> list[str]:
    data = {"action": name, "_selected_action": [row.pk for row in rows]}
    answer = desk.post(reverse(f"admin:batches_{model}_changelist"), data, follow=True)
    assert answer.status_code == 200
    return [str(message) for message in answer.context["messages"]]


def test_failed_cards_are_read_again(desk: Client, failed: list[Card]) -> None:
    assert act(desk, "card", "retry", *failed) == ["2 failed cards are read again."]
    assert set(Card.objects.values_list("status", "error")) == {(CardStatus.PENDING, "")}
    assert Batch.objects.get().status == BatchStatus.QUEUED


def test_retry_leaves_cards_alone_that_did_not_fail(desk: Client, make_cards: Callable[..., list[Card]]) -> None:
    cards = make_cards(1, CardStatus.COMPLETED)
    assert act(desk, "card", "retry", *cards) == ["0 failed cards are read again."]
    assert Card.objects.get().status == CardStatus.COMPLETED


def test_a_card_that_cannot_be_skipped_spoils_nothing(
    desk: Client, failed: list[Card], make_cards: Callable[..., list[Card]]
) -> None:
    read = make_cards(1, CardStatus.COMPLETED)
    told = act(desk, "card", "skip", *read, *failed)
    assert told == ["“card-0003.jpg” is “Read” and stays so.", "2 cards are skipped."]
    assert Card.objects.filter(status=CardStatus.SKIPPED).count() == 2


def test_all_failed_cards_of_a_batch_are_read_again(desk: Client, batch: Batch, failed: list[Card]) -> None:
    assert act(desk, "batch", "retry_failed", batch) == ["2 failed cards are read again."]
    assert Card.objects.filter(status=CardStatus.PENDING).count() == len(failed)


def test_a_draft_has_nothing_to_read_again(desk: Client, batch: Batch) -> None:
    assert act(desk, "batch", "retry_failed", batch)[-1] == "0 failed cards are read again."


def test_cards_are_listed_with_why_they_failed_and_found_by_it(
    desk: Client, failed: list[Card], make_cards: Callable[..., list[Card]]
) -> None:
    make_cards(1, CardStatus.COMPLETED)
    page = desk.get(reverse("admin:batches_card_changelist"), {"error": "engine_timeout"}).text
    assert page.count('class="field-original_name"') == len(failed)
    assert f"/cards/{failed[0].pk}/image/thumb/" in page
    page = desk.get(reverse("admin:batches_card_change", args=[failed[0].pk])).text
    assert reverse("card_detail", args=[failed[0].batch_id, failed[0].pk]) in page
    assert 'name="_save"' not in page


def test_a_raw_reply_is_shown_as_text(desk: Client, failed: list[Card]) -> None:
    reply = "<script>alert(1)</script>"
    attempt = Attempt.objects.create(card=failed[0], engine_name="x", started_at=timezone.now(), raw_reply=reply)
    page = desk.get(reverse("admin:batches_attempt_change", args=[attempt.pk])).text
    assert "&lt;script&gt;alert(1)" in page
    assert reply not in page


@pytest.mark.parametrize("model", ["batch", "card", "attempt", "cardresult", "fieldrevision", "worker"])
def test_nothing_is_added_or_deleted_by_the_admin(desk: Client, model: str) -> None:
    assert desk.get(reverse(f"admin:batches_{model}_changelist")).status_code == 200
    assert desk.get(reverse(f"admin:batches_{model}_add")).status_code == 403


@pytest.mark.parametrize("model", ["batch", "card", "attempt"])
def test_a_curator_does_not_enter_the_admin(client: Client, user: User, model: str) -> None:
    client.force_login(user)
    assert client.get(reverse(f"admin:batches_{model}_changelist")).status_code == 302


def test_the_spending_of_each_month_stands_beside_its_budget_to_be_read(client, administrator, engine):
    engine.name, engine.kind, engine.month_budget = "Router", Engine.Kind.OPENAI_COMPATIBLE, 20
    engine.save()
    told = {"calls": 40, "tokens_in": 900, "tokens_out": 80}
    whole = Spending.objects.create(engine=engine, month=date(2026, 10, 1), cost=Decimal("5.50"), **told)
    Spending.objects.create(engine=engine, month=date(2026, 11, 1), cost=Decimal("1.25"), unpriced=1, **told)
    client.force_login(administrator)
    text = client.get("/admin/batches/spending/").text
    assert "October 2026" in text
    assert "$5.50" in text
    assert "at least $1.25" in text
    assert "$20.00" in text
    assert client.get("/admin/batches/spending/add/").status_code == 403
    page = f"/admin/batches/spending/{whole.pk}/change/"
    assert client.get(page).status_code == 200
    assert client.post(page, {"cost": "0"}).status_code == 403


def test_nobody_else_sees_what_was_spent(client, user):
    client.force_login(user)
    assert client.get("/admin/batches/spending/").status_code in {302, 403}
