"""What must not be done twice: while one worker is in the midst of it, another one comes along."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.db import connection
from django.utils import timezone

from batches import changes
from batches.drain import filer, inbox, mailing, telling
from batches.drain.inbox import Inbox
from batches.drain.preparation import Preparation
from batches.intake import adding, derive, looking, opening, uploads
from batches.models import Batch, Card, Delivery, News, Sheet, Upload
from batches.states import BatchStatus, PauseReason
from cardocr_site.accounts.models import User
from tests import receiver
from tests.batches.drain.test_telling import made
from tests.batches.intake import pictures
from tests.batches.intake.test_opening import archive, scans
from tests.conftest import image_bytes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str, Callable[[], object]], list[object]]:
    """The first time that this is called, somebody else does that; and what came of it."""

    def patch(module: Any, name: str, other: Callable[[], object]) -> list[object]:
        real, came = getattr(module, name), list[object]()
        is_first = threading.Lock()

        def called(*args: Any, **kwargs: Any) -> Any:
            if is_first.acquire(blocking=False):
                came.append(other())
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, called)
        return came

    return patch


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Two threads, each with a connection of its own, do this."""

    def run(work: Callable[[], object]) -> None:
        def one() -> None:
            try:
                work()
            finally:
                connection.close()

        threads = [threading.Thread(target=one) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

    return run


@pytest.fixture
def listening() -> Iterator[receiver.Receiver]:
    with receiver.running() as running:
        yield running


def laid(batch: Batch, number: int) -> list[Card]:
    return [adding.add_file(batch, f"{n}.jpg", [image_bytes((60 + n, 40))]).cards[0] for n in range(number)]


def test_two_workers_prepare_two_cards_of_a_batch_and_none_twice(batch: Batch, monkeypatch: Any):
    cards = laid(batch, 2)
    prepared: list[int] = []
    real = derive.prepare

    def prepare(card: Card) -> None:
        prepared.append(card.pk)
        if len(prepared) == 1:
            Preparation(lambda _batch: None)._prepare_all()
        real(card)

    monkeypatch.setattr(derive, "prepare", prepare)
    Preparation(lambda _batch: None)._prepare_all()
    assert prepared == [card.pk for card in cards]
    assert not Card.objects.filter(prepared_at=None).exists()


def test_a_container_is_opened_by_one(batch: Batch, meanwhile: Any):
    upload = uploads.take(batch, "box.zip", [archive(**scans(3))])
    came = meanwhile(opening, "_keep", lambda: opening.go_on(upload.pk, lambda: True))
    assert opening.go_on(upload.pk, lambda: True)
    assert came == [False]
    assert batch.cards.count() == 3


def test_who_was_cut_off_does_not_end_a_container_that_another_has_opened(batch: Batch, meanwhile: Any):
    upload = uploads.take(batch, "box.zip", [archive(**scans(3))])
    came = meanwhile(opening.store, "again", lambda: opening._open(Upload.objects.get(pk=upload.pk), lambda: True))
    opening._open(Upload.objects.select_related("batch").get(pk=upload.pk), lambda: True)
    upload.refresh_from_db()
    assert came == [True]
    assert (upload.status, upload.code, upload.cards_made, batch.cards.count()) == ("done", "", 3, 3)


def test_a_page_is_looked_at_by_one(batch: Batch, meanwhile: Any):
    laid(batch, 1)
    Batch.objects.filter(pk=batch.pk).update(options=batch.options | {"sheets": True})
    Preparation(lambda _batch: None)._prepare_all()
    came = meanwhile(looking, "_note", looking.look)
    assert looking.look()
    assert came == [False]
    assert Sheet.objects.count() == 1


@pytest.mark.usefixtures("administrator", "engine")
def test_a_file_of_the_inbox_is_taken_by_one(settings: Any, tmp_path: Path, meanwhile: Any):
    settings.INBOX_DIR = tmp_path / "inbox"
    folder = settings.INBOX_DIR / "Drawer 12"
    folder.mkdir(parents=True)
    for name in ("1.jpg", "2.jpg"):
        (folder / name).write_bytes(pictures.jpeg() + name.encode())
    taken: list[int] = []
    one, other = Inbox(taken.append), Inbox(taken.append)
    one.look(), other.look()
    meanwhile(inbox.people, "preferred", other.look)
    one.look()
    assert (len(taken), Batch.objects.count(), Card.objects.count()) == (1, 1, 2)


@pytest.mark.usefixtures("administrator", "engine")
def test_a_file_that_another_has_taken_makes_no_empty_draft(settings: Any, tmp_path: Path, monkeypatch: Any):
    settings.INBOX_DIR = tmp_path / "inbox"
    folder = settings.INBOX_DIR / "Drawer 12"
    folder.mkdir(parents=True)
    (folder / "1.jpg").write_bytes(pictures.jpeg())
    there = list(inbox._files(lambda *_told: None))
    (folder / "1.jpg").unlink()
    monkeypatch.setattr(inbox, "_files", lambda _failed: there)
    late = Inbox(lambda _batch: None)
    late.look(), late.look()
    assert not Batch.objects.exists()


def test_files_of_a_batch_are_written_by_one(batch: Batch, meanwhile: Any):
    laid(batch, 2)
    changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now(), label="Drawer")
    Card.objects.update(files_due=True)
    came = meanwhile(filer, "_written", filer.file_due)
    assert filer.file_due() == 2
    assert came == [0]


def test_a_webhook_is_told_once(
    batch: Batch, user: User, listening: receiver.Receiver, together: Any, monkeypatch: pytest.MonkeyPatch
):
    deliveries, _secret = made(user, batch, listening.address, number=6)
    both, real, looks = threading.Barrier(2), telling._due, iter(range(2))

    def due() -> list[Delivery]:
        found = real()
        if next(looks, None) is not None:  # the first look of each: both have found the same
            both.wait(10)
        return found

    def tell_all() -> None:
        sender = telling.Sender(within=5.0)
        telling.Telling(sender).tell_all()
        sender.close()

    monkeypatch.setattr(telling, "_due", due)
    together(tell_all)
    told = sorted(headers["X-Cardocr-Delivery"] for _path, headers, _body in listening.got)
    assert told == sorted(str(delivery.uid) for delivery in deliveries)


def test_a_letter_is_sent_once(
    batch: Batch, user: User, settings: Any, mailoutbox: list[EmailMessage], together: Any, monkeypatch: Any
):
    settings.EMAIL_URL = "smtp://mail.example.org"
    User.objects.filter(pk=user.pk).update(email="ingrid@example.org", mail=True)
    changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())
    changes.move_batch(batch, BatchStatus.PAUSED, pause_reason=PauseReason.CREDENTIALS)
    News.objects.exclude(mail_at=None).update(mail_at=timezone.now() - timedelta(seconds=1))
    both = threading.Barrier(2)
    real = mailing._is_wanted

    def is_wanted(news: News) -> bool:
        both.wait(10)
        return real(news)

    monkeypatch.setattr(mailing, "_is_wanted", is_wanted)
    together(lambda: mailing.Mailing().mail_all())
    assert len(mailoutbox) == 1
