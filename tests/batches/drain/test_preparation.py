from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from batches.drain import preparation
from batches.drain.preparation import POURING, REST, WITHIN, Preparation
from batches.models import Batch, Card, Upload
from batches.states import BatchStatus, UploadStatus

Made = tuple[Preparation, list[float]]


@pytest.fixture
def preparing(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Nothing is drawn; and the rests that were taken."""
    monkeypatch.setattr(
        "batches.intake.derive.prepare",
        lambda card: Card.objects.filter(pk=card.pk).update(prepared_at=timezone.now()),
    )
    rests: list[float] = []
    monkeypatch.setattr(preparation.Rounds, "rest", lambda _rounds, seconds: rests.append(seconds))
    return Preparation(lambda _batch_id: None), rests


def prepared() -> int:
    return Card.objects.exclude(prepared_at=None).count()


def pour(batch: Batch, age: timedelta = timedelta(0)) -> None:
    for number in range(POURING):
        Upload.objects.create(batch=batch, name=f"{number}.jpg", status=UploadStatus.DONE)
    Upload.objects.update(created_at=timezone.now() - age)


def test_while_files_pour_in_previews_are_made_one_by_one(
    batch: Batch, make_cards: Callable[..., list[Card]], preparing: Made
) -> None:
    work, rests = preparing
    make_cards(3)
    pour(batch)
    work._prepare_all(1)
    assert prepared() == 0
    work._prepare_all(0)
    assert (prepared(), rests) == (3, [REST] * 3)


def test_a_file_that_is_being_opened_comes_before_previews(
    batch: Batch, make_cards: Callable[..., list[Card]], preparing: Made
) -> None:
    work, _rests = preparing
    make_cards(1)
    upload = Upload.objects.create(batch=batch, name="box.zip", status=UploadStatus.OPENING)
    work._prepare_all(1)
    assert prepared() == 0
    Upload.objects.filter(pk=upload.pk).update(status=UploadStatus.DONE)
    work._prepare_all(1)
    assert prepared() == 1


def test_what_has_been_started_never_waits_and_files_that_came_before_hold_nothing_up(
    batch: Batch, make_cards: Callable[..., list[Card]], preparing: Made
) -> None:
    work, rests = preparing
    make_cards(1)
    pour(batch, age=2 * WITHIN)
    work._prepare_all(1)
    assert prepared() == 1
    pour(batch)
    make_cards(1)
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    work._prepare_all(1)
    assert (prepared(), rests) == (2, [])
