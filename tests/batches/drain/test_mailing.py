"""Mail: to those who want it, once, in their language, never of what they have seen or may not see."""

import smtplib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.utils import timezone

from batches import changes, clock, news
from batches.drain import mailing
from batches.models import Batch, Card, News
from batches.states import BatchStatus, CardStatus, PauseReason
from cardocr_site.accounts.models import User

Make = Callable[..., list[Card]]
Box = list[EmailMessage]


@pytest.fixture(autouse=True)
def _with_mail(settings: Any, user: User) -> None:
    settings.EMAIL_URL = "smtp://mail.example.org"
    settings.DEFAULT_FROM_EMAIL = "cards@example.org"
    User.objects.filter(pk=user.pk).update(email="ingrid@example.org", mail=True)


@pytest.fixture
def running(batch: Batch, make_cards: Make) -> Batch:
    make_cards(2)
    return changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())


def finish(batch: Batch) -> None:
    with changes.locked(batch) as change:
        change.move_cards(batch.cards.filter(status=CardStatus.PENDING), CardStatus.COMPLETED, to_check=True)
        change.finish_if_done(timezone.now())


def hold(batch: Batch, reason: str) -> None:
    changes.move_batch(batch, BatchStatus.PAUSED, pause_reason=reason)


def later() -> None:
    """The time comes for what waits until then."""
    News.objects.exclude(mail_at=None).update(mail_at=clock.now() - timedelta(seconds=1))
    mailing.Mailing().mail_all()


def test_a_finished_batch_is_mailed_once_a_minute_later(running: Batch, mailoutbox: Box):
    finish(running)
    mailing.Mailing().mail_all()
    assert mailoutbox == []
    later()
    (one,) = mailoutbox
    assert (one.subject, one.to) == ("Drawer 12: 2 cards are read", ["ingrid@example.org"])
    assert one.from_email == "cards@example.org"
    assert "2 cards are to be checked." in one.body
    assert f"http://127.0.0.1:8000/batches/{running.pk}/" in one.body
    assert "http://127.0.0.1:8000/accounts/profile/" in one.body
    assert one.content_subtype == "plain"
    later()
    assert len(mailoutbox) == 1


def test_a_pause_is_mailed_with_its_reason_in_the_persons_language(running: Batch, user: User, mailoutbox: Box):
    User.objects.filter(pk=user.pk).update(language="de")
    hold(running, PauseReason.BUDGET)
    later()
    told = News.objects.get()
    with mailing.override("de"):
        wanted = mailing.sentence(told)
    with mailing.override("en"):
        assert wanted != mailing.sentence(told)
    assert mailoutbox[0].subject == f"Drawer 12: {wanted}"


def test_a_pause_by_a_person_is_not_mailed(running: Batch, mailoutbox: Box):
    hold(running, PauseReason.PERSON)
    later()
    assert mailoutbox == []


def test_the_probes_of_an_outage_are_mailed_once(running: Batch, mailoutbox: Box):
    for _probe in range(3):
        hold(running, PauseReason.ENDPOINT)
        later()
        changes.move_batch(running, BatchStatus.QUEUED, pause_reason="")
    assert len(mailoutbox) == 1


def test_what_was_seen_meanwhile_is_not_mailed(running: Batch, user: User, mailoutbox: Box):
    finish(running)
    news.see(user)
    later()
    assert mailoutbox == []


@pytest.mark.parametrize("without", [{"mail": False}, {"email": ""}, {"is_active": False}])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_who_does_not_want_it_or_is_gone_gets_none(
    running: Batch, user: User, mailoutbox: Box, without: dict[str, Any], when: str
):
    if when == "before":
        User.objects.filter(pk=user.pk).update(**without)
    finish(running)
    User.objects.filter(pk=user.pk).update(**without)
    later()
    assert mailoutbox == []
    assert News.objects.filter(mail_at=None).count() == 1


def test_who_may_not_see_the_batch_any_more_gets_none(running: Batch, other_user: User, mailoutbox: Box):
    finish(running)
    Batch.objects.update(owner=other_user, everybody="none")
    later()
    assert mailoutbox == []


def test_without_the_setting_nothing_waits(running: Batch, settings: Any):
    settings.EMAIL_URL = ""
    finish(running)
    assert News.objects.get().mail_at is None


def test_a_server_that_refuses_is_tried_again_and_then_given_up(
    running: Batch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(_message: EmailMessage) -> None:
        raise smtplib.SMTPRecipientsRefused({"ingrid@example.org": (550, b"no such user")})

    monkeypatch.setattr(EmailMessage, "send", refuse)
    finish(running)
    waits = []
    for _time in range(6):
        begun = clock.now()
        later()
        at = News.objects.get().mail_at
        waits.append(at and round((at - begun) / timedelta(minutes=1)))
    assert waits == [1, 5, 30, 120, 480, None]
    assert "SMTPRecipientsRefused" in caplog.text
    assert "ingrid@example.org" not in caplog.text


def test_a_name_cannot_add_a_header(running: Batch, mailoutbox: Box):
    Batch.objects.update(name="Drawer\r\nBcc: everybody@example.org")
    finish(running)
    later()
    assert mailoutbox[0].subject.startswith("Drawer Bcc: everybody@example.org: ")
    assert mailoutbox[0].recipients() == ["ingrid@example.org"]
