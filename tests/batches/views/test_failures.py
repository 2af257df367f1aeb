from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from batches.actions import failures, runs
from batches.models import Attempt, Batch, Card, Notice
from batches.queries import failures as queries
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from ocr.models import Engine

Make = Callable[..., list[Card]]
ERRORS = "/admin/errors/"
HOSTILE = '</pre><script>alert(1)</script>{"author": "=cmd()"'


@pytest.fixture(autouse=True)
def _no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.tasks, "drain", lambda batch_id: None)


@pytest.fixture
def admin_page(client: Client, administrator: User) -> Client:
    client.force_login(administrator)
    return client


@pytest.fixture
def failed(batch: Batch, make_cards: Make) -> list[Card]:
    now = timezone.now()
    cards = make_cards(3, CardStatus.FAILED, error="reply_invalid", finished_at=now)
    cards += make_cards(1, CardStatus.FAILED, error="engine_timeout", finished_at=now - timedelta(days=20))
    Batch.objects.update(status=BatchStatus.COMPLETED, label="d", prompt="Read the author.")
    return cards


def test_only_administrators_see_it(client: Client, user: User, failed: list[Card]) -> None:
    for address in (ERRORS, f"{ERRORS}{failed[0].pk}/"):
        assert "/login/" in client.get(address).headers["Location"]
    client.force_login(user)
    assert client.get(ERRORS).status_code == 302
    User.objects.filter(pk=user.pk).update(is_staff=True)
    for address in (ERRORS, f"{ERRORS}{failed[0].pk}/"):
        assert client.get(address).status_code == 403
    assert client.post(ERRORS, {"action": "retry"}).status_code == 403
    assert Card.objects.filter(status=CardStatus.FAILED).count() == 4


def test_the_last_days_by_cause(admin_page: Client, failed: list[Card]) -> None:
    text = admin_page.get(ERRORS).text
    assert "could not be understood" in text
    assert "Retry 3" in text
    assert "engine_timeout" not in text
    assert "engine_timeout" in admin_page.get(f"{ERRORS}?days=30").text
    assert "reply_invalid" not in admin_page.get(f"{ERRORS}?days=30&cause=engine_timeout").text
    assert "No card failed like this" in admin_page.get(f"{ERRORS}?batch=999999").text
    assert admin_page.get(f"{ERRORS}?days=x&batch=x&engine=-1&cause=%00").status_code == 200
    assert "/admin/errors/" in admin_page.get("/admin/").text


def test_it_can_be_narrowed_to_a_reader(admin_page: Client, failed: list[Card], batch: Batch) -> None:
    assert "reply_invalid" in admin_page.get(f"{ERRORS}?engine={batch.engine_id}").text
    assert "reply_invalid" not in admin_page.get(f"{ERRORS}?engine={batch.engine_id + 1}").text


def test_a_card_says_what_was_asked_and_what_came_back(admin_page: Client, failed: list[Card]) -> None:
    Attempt.objects.create(
        card=failed[0],
        engine_name="gateway",
        model="qwen",
        started_at=timezone.now(),
        duration=6.84,
        error="reply_invalid",
        raw_reply=HOSTILE,
    )
    text = admin_page.get(f"{ERRORS}{failed[0].pk}/").text
    for words in ("Read the author.", "gateway", "6840", "&lt;/pre&gt;&lt;script&gt;"):
        assert words in text
    assert "<script>alert" not in text
    assert f"/batches/{failed[0].batch_id}/cards/{failed[0].pk}/" in text


def test_those_of_a_cause_are_read_again_and_no_other(admin_page: Client, failed: list[Card], batch: Batch) -> None:
    admin_page.post(ERRORS, {"action": "retry", "cause": "reply_invalid", "days": "0"})
    batch.refresh_from_db()
    assert (batch.pending, batch.failed, batch.status) == (3, 1, BatchStatus.QUEUED)


def test_one_card_is_marked_as_unreadable(admin_page: Client, failed: list[Card], batch: Batch) -> None:
    version = batch.version
    admin_page.post(ERRORS, {"action": "unreadable", "card": failed[0].pk, "days": "0"})
    errors = list(batch.cards.order_by("position").values_list("error", flat=True))
    assert errors == [failures.UNREADABLE, "reply_invalid", "reply_invalid", "engine_timeout"]
    batch.refresh_from_db()
    assert batch.version > version, "who looks at the batch sees it"


def test_the_owner_is_told_and_puts_it_away(
    admin_page: Client, client: Client, user: User, other_user: User, failed: list[Card], batch: Batch
) -> None:
    words = "Please scan <these> again."
    admin_page.post(ERRORS, {"action": "tell", "cause": "reply_invalid", "text": words})
    notice = Notice.objects.get()
    page = reverse("batch_detail", args=[batch.pk])
    done = reverse("notice_done", args=[batch.pk, notice.pk])
    client.force_login(other_user)
    assert "Please scan" not in client.get(page).text
    assert client.post(done).status_code == 404
    client.force_login(user)
    assert "Please scan &lt;these&gt; again." in client.get(page).text
    client.post(done)
    assert "Please scan" not in client.get(page).text
    notice.refresh_from_db()
    assert notice.done_by == user


def test_nothing_is_told_without_words(admin_page: Client, failed: list[Card]) -> None:
    admin_page.post(ERRORS, {"action": "tell", "cause": "reply_invalid", "text": "  "})
    admin_page.post(ERRORS, {"action": "dance"})
    assert not Notice.objects.exists()


def test_it_says_how_each_reader_is(admin_page: Client, batch: Batch, failed: list[Card]) -> None:
    now = timezone.now()
    engine = batch.engine
    assert engine is not None

    def states() -> list[tuple[str, int, int, int, float | None]]:
        return [
            (r.reason, r.waiting, r.answers, r.failures, r.seconds) for r in queries.readers() if r.engine == engine
        ]

    assert states() == [("", 0, 0, 0, None)]
    assert "Not used in the last hour" in admin_page.get(ERRORS).text
    for seconds, error, ago in ((2.0, "", 5), (4.0, "", 6), (9.0, "engine_timeout", 1), (1.0, "", 90)):
        Attempt.objects.create(
            card=failed[0], engine=engine, started_at=now - timedelta(minutes=ago), duration=seconds, error=error
        )
    assert states() == [("", 0, 2, 1, 3.0)]
    assert "It answers." in admin_page.get(ERRORS).text
    Engine.objects.filter(pk=engine.pk).update(rest_until=now + timedelta(minutes=1))
    assert "It asked for fewer calls." in admin_page.get(ERRORS).text
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.PAUSED, pause_reason="endpoint")
    Engine.objects.filter(pk=engine.pk).update(enabled=False)
    assert states() == [("the engine does not answer", 1, 2, 1, 3.0)]
    text = admin_page.get(ERRORS).text
    assert "The engine does not answer." in text
    assert "1 batch waits." in text
    Batch.objects.filter(pk=batch.pk).update(pause_reason="person")
    assert states() == []  # nobody uses it, nobody waits for it


def test_the_queries_do_not_grow(
    admin_page: Client, failed: list[Card], make_cards: Make, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(15) as few:
        admin_page.get(ERRORS)
    make_cards(40, CardStatus.FAILED, error="reply_empty", finished_at=timezone.now())
    with django_assert_max_num_queries(len(few)):
        admin_page.get(ERRORS)
