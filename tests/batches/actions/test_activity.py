"""Acts write themselves down: once, in their own transaction, grouped where they are one sitting."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from batches import changes
from batches.actions import activity, cards, runs, settings, trash
from batches.models import Activity, Batch, Card
from batches.states import BatchStatus, CardStatus
from cardocr_site.accounts.models import User
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]


def kinds(batch: Batch) -> list[tuple[str, int]]:
    return [(one.kind, one.count) for one in batch.activities.order_by("pk")]


@pytest.fixture
def read(batch: Batch, make_cards: Make) -> list[Card]:
    made = make_cards(2, CardStatus.COMPLETED)
    for card in made:
        give_result(card, {"author": stored("Grieg"), "title": stored("Peer Gynt")})
    Batch.objects.update(status=BatchStatus.COMPLETED)
    return made


def test_corrections_of_one_sitting_are_one_entry(batch: Batch, read: list[Card], user: User) -> None:
    one, other = read
    saved = cards.correct(one, user, one.version, {"author": "Sinding"})
    assert batch.activities.get().what["name"] == one.short_name
    cards.correct(one, user, saved.version, {"title": "Rustle of Spring"})
    cards.correct(other, user, other.version, {"author": "Halvorsen"})
    assert kinds(batch) == [("correct", 3)]
    assert "card" not in batch.activities.get().what, "they were about several cards"


def test_another_person_or_another_hour_begins_a_new_entry(
    batch: Batch, read: list[Card], user: User, other_user: User
) -> None:
    one, other = read
    saved = cards.correct(one, user, one.version, {"author": "Sinding"})
    saved = cards.correct(one, other_user, saved.version, {"author": "Grieg, Edvard"})
    Activity.objects.update(at=timezone.now() - timedelta(hours=1))
    cards.correct(other, user, other.version, {"author": "Halvorsen"})
    assert kinds(batch) == [("correct", 1)] * 3


def test_saying_the_same_twice_is_no_second_act(batch: Batch, read: list[Card], user: User) -> None:
    saved = cards.mark_reviewed(read[0], user, read[0].version, True)
    cards.mark_reviewed(read[0], user, saved.version, True)
    assert kinds(batch) == [("review", 1)]


def test_what_fails_is_not_written_down(batch: Batch, card: Card, user: User) -> None:
    with pytest.raises(changes.TransitionRefused):
        runs.pause(batch, user)
    with pytest.raises(changes.TransitionRefused):
        runs.retry_card(card, user)
    assert not kinds(batch)


def test_what_no_person_did_is_not_written_down(batch: Batch) -> None:
    assert activity.record(batch, None, "pause") is None
    assert not kinds(batch)


def test_a_run_is_told_from_its_start_to_the_trash(batch: Batch, make_cards: Make, user: User) -> None:
    make_cards(3)
    settings.change(batch, user, name="Drawer 13")
    settings.change(batch, user, name="Drawer 13")
    runs.start(batch, user)
    runs.pause(batch, user)
    runs.pause(batch, user)
    runs.resume(batch, user)
    trash.delete(batch, user)
    trash.restore(batch, user)
    assert [kind for kind, _n in kinds(batch)] == ["rename", "start", "pause", "resume", "stop", "delete", "restore"]
    assert batch.activities.get(kind="rename").what["was"] == "Drawer 12"


def test_pages_say_who_it_was(client: Client, batch: Batch, read: list[Card], user: User) -> None:
    client.force_login(user)
    address = f"/batches/{batch.pk}"
    client.post(f"{address}/cards/{read[0].pk}/values/author/", {"value": "Sinding", "version": "0", "was": "Grieg"})
    client.get(f"{address}/export/download/?format=json")
    client.head(f"{address}/export/download/?format=json")
    client.post(f"{address}/settings/", {"name": "Drawer 14", "collection": ""})
    assert kinds(batch) == [("correct", 1), ("export", 1), ("rename", 1)]
    assert {one.by for one in batch.activities.all()} == {user}


def test_scans_added_and_removed_are_one_entry_each(client: Client, batch: Batch, user: User, jpeg: bytes) -> None:
    client.force_login(user)
    for n in range(3):
        file = SimpleUploadedFile(f"{n}.jpg", jpeg + bytes([n]), "image/jpeg")
        client.post(f"/batches/{batch.pk}/files/", {"files": file})
    for card in list(batch.cards.all()[:2]):
        client.post(f"/batches/{batch.pk}/cards/{card.pk}/remove/")
    assert kinds(batch) == [("add_scans", 3), ("remove_scans", 2)]


def test_others_see_the_acts_of_batches_that_they_may_see(batch: Batch, user: User, other_user: User) -> None:
    activity.record(batch, user, "pause")
    assert Activity.objects.visible_to(other_user).count() == 1
    Batch.objects.update(everybody="none")
    assert not Activity.objects.visible_to(other_user).exists()
    assert Activity.objects.visible_to(user).count() == 1
