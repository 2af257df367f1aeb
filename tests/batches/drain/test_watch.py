"""The web process's look at disk and consumer: told to administrators, once for an outage, and when it is over."""

import re
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone

from batches import changes, news
from batches import clock as shared_clock
from batches.drain import mailing, watch
from batches.models import Batch, Card, News, Worker
from batches.states import BatchStatus
from cardocr_site.accounts.models import User
from tests.batches.drain.test_claims import make_worker

Make = Callable[..., list[Card]]
Box = list[EmailMessage]
Kind = News.Kind
GB = 1_000_000_000


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch, settings: Any) -> SimpleNamespace:
    settings.MIN_FREE_BYTES, settings.LOW_DISK_BYTES = GB, 5 * GB
    usage = SimpleNamespace(free=80 * GB)
    monkeypatch.setattr(watch.shutil, "disk_usage", lambda _path: usage)
    return usage


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(watch.time, "monotonic", lambda: now.seconds)
    return now


@pytest.fixture
def running(batch: Batch, make_cards: Make) -> Batch:
    make_cards(2)
    return changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())


def told(kind: str = Kind.DISK) -> list[tuple[str, int, bool]]:
    """How it stands, how often it came, and whether it was seen."""
    found = News.objects.filter(kind=kind, batch=None).order_by("pk")
    return [(one.cause, one.what["times"], one.seen_at is not None) for one in found]


def looked(watching: watch.Watch, usage: SimpleNamespace, *free: float) -> None:
    for left in free:
        usage.free = left * GB
        watching.look()


def test_a_disk_that_fills_up_is_told_to_administrators_alone(
    administrator: User, user: User, free: SimpleNamespace, db: None
):
    watching = watch.Watch()
    looked(watching, free, 80)
    assert told() == []
    looked(watching, free, 4, 4, 3)
    assert [(one.user, one.cause, one.what["free"]) for one in News.objects.all()] == [
        (administrator, news.NEARLY_FULL, 4 * GB)
    ]


def test_an_outage_is_one_row_that_rings_again_when_it_is_worse_and_when_it_is_over(
    administrator: User, free: SimpleNamespace
):
    watching = watch.Watch()
    for left, cause, rings in (
        (4, news.NEARLY_FULL, True),
        (0.9, news.FULL, True),
        (1.05, news.FULL, False),  # hardly more
        (3, news.NEARLY_FULL, False),  # better
        (5.2, news.NEARLY_FULL, False),
        (6, News.OVER, True),
    ):
        looked(watching, free, left)
        assert told() == [(cause, 1, not rings)], left
        news.see(administrator)


def test_what_comes_again_within_an_hour_is_told_in_the_same_row(administrator: User, free: SimpleNamespace):
    watching = watch.Watch()
    looked(watching, free, 4, 80, 4)
    assert told() == [(news.NEARLY_FULL, 2, False)]
    looked(watching, free, 80)
    News.objects.update(at=timezone.now() - timedelta(hours=2))
    looked(watching, free, 0)
    assert told() == [(News.OVER, 2, False), (news.FULL, 1, False)]


def test_two_processes_that_look_tell_it_once(administrator: User, free: SimpleNamespace):
    free.free = 0
    known = News.objects.none()
    watch.Watch().look()
    for _other in range(2):
        watch.Watch().look()
        news._tell_outage(administrator.pk, Kind.DISK, news.FULL, {}, known.first(), mailed=False)
    assert told() == [(news.FULL, 1, False)]


def test_batches_that_wait_while_no_consumer_runs_are_told_after_a_minute(
    administrator: User, running: Batch, free: SimpleNamespace, clock: SimpleNamespace
):
    watching = watch.Watch()
    for seconds, expected in ((0, []), (59, []), (2, [(news.GONE, 1, False)]), (500, [(news.GONE, 1, False)])):
        clock.seconds += seconds
        watching.look()
        assert told(Kind.CONSUMER) == expected
    assert News.objects.get().what["batches"] == 1
    make_worker("back")
    watching.look()
    assert told(Kind.CONSUMER) == [(News.OVER, 1, False)]


def test_a_consumer_that_comes_back_within_a_minute_was_not_missed(
    administrator: User, running: Batch, free: SimpleNamespace, clock: SimpleNamespace
):
    watching = watch.Watch()
    watching.look()
    make_worker("back")
    clock.seconds += 50
    watching.look()
    Worker.objects.all().delete()
    clock.seconds += 50
    watching.look()
    assert told(Kind.CONSUMER) == []


def test_a_heart_that_has_not_beaten_for_a_while_is_none(
    administrator: User, running: Batch, free: SimpleNamespace, clock: SimpleNamespace
):
    make_worker("dead")
    Worker.objects.update(seen_at=timezone.now() - timedelta(seconds=31))
    watching = watch.Watch()
    watching.look()
    clock.seconds += 61
    watching.look()
    assert told(Kind.CONSUMER) == [(news.GONE, 1, False)]


@pytest.mark.parametrize("waits", [True, False])
def test_a_draft_waits_while_its_scans_are_not_prepared(
    administrator: User, batch: Batch, make_cards: Make, free: SimpleNamespace, clock: SimpleNamespace, waits: bool
):
    make_cards(1, prepared_at=None if waits else timezone.now())
    watching = watch.Watch()
    watching.look()
    clock.seconds += 61
    watching.look()
    assert bool(told(Kind.CONSUMER)) is waits


def later() -> None:
    News.objects.exclude(mail_at=None).update(mail_at=shared_clock.now() - timedelta(seconds=1))


@pytest.fixture
def by_mail(settings: Any, administrator: User) -> None:
    settings.EMAIL_URL, settings.DEFAULT_FROM_EMAIL = "smtp://mail.example.org", "cards@example.org"
    User.objects.filter(pk=administrator.pk).update(email="ada@example.org", mail=True)


def test_that_no_consumer_runs_is_mailed_without_one(
    by_mail: None, running: Batch, free: SimpleNamespace, clock: SimpleNamespace, mailoutbox: Box
):
    watching = watch.Watch()
    watching.look()
    clock.seconds += 61
    watching.look()
    later()
    watching.look()
    watching.look()
    (one,) = mailoutbox
    assert one.subject == "This server: No cards are read: the consumer does not run"
    assert "1 batch waits for it. It is started by “manage.py serve”" in one.body
    assert "http://127.0.0.1:8000/notices/" in one.body


def test_the_end_is_mailed_to_whom_the_outage_was(by_mail: None, free: SimpleNamespace, mailoutbox: Box):
    watching = watch.Watch()
    looked(watching, free, 4, 80)
    later()
    mailing.Mailing().mail_all()
    assert mailoutbox == [], "over before it was mailed"
    for left in (0, 80):
        looked(watching, free, left)
        later()
        mailing.Mailing().mail_all()
    assert [one.subject for one in mailoutbox] == [
        "This server: The disk is full",
        "This server: There is room on the disk again",
    ]
    assert "No file is taken any more. Make room: empty the trash" in mailoutbox[0].body


def test_the_list_says_what_to_do_and_leads_there(client: Client, administrator: User, free: SimpleNamespace):
    client.force_login(administrator)
    looked(watch.Watch(), free, 0.5)
    page = client.get("/notices/").text
    assert "This server" in page
    assert "No file is taken any more. Make room: empty the trash" in page
    one = News.objects.get()
    assert client.get(f"/notices/{one.pk}/").headers["Location"] == "/trash/"
    looked(watch.Watch(), free, 80)
    assert re.search(r"There is room on the disk again.*From \d\S+ .* to \d", client.get("/notices/").text, re.DOTALL)


def test_who_is_no_administrator_any_more_is_told_nothing_of_it(
    client: Client, administrator: User, free: SimpleNamespace
):
    looked(watch.Watch(), free, 0)
    User.objects.filter(pk=administrator.pk).update(role=User.Role.OPERATOR)
    client.force_login(administrator)
    page = client.get("/notices/").text
    assert "This server" not in page
    assert 'data-unseen="0"' in page
    looked(watch.Watch(), free, 80)
    assert told() == [(News.OVER, 1, False)]
