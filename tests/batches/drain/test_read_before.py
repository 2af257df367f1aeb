"""Scans that were read before, through a real Service: skipped, read again, or both kept."""

import json

import pytest

from batches.actions import cards, drafts, runs
from batches.drain import duplicates
from batches.intake import adding, store
from batches.models import Batch
from batches.states import ResultState
from ocr.errors import EngineFailed, ReplyInvalid
from tests.batches.drain.adapters import reading_of
from tests.conftest import image_bytes
from tests.waiting import until

NAMES = ("1.jpg", "2.jpg", "3.jpg")


def is_over(batch: Batch):
    return lambda: Batch.objects.get(pk=batch.pk).status == "completed"


@pytest.fixture
def drawer(services, start_batch, scripted) -> Batch:
    """Three cards, read by the scripted engine."""
    batch = start_batch(*NAMES)
    services()
    until(is_over(batch))
    scripted.calls.clear()
    return batch


def again(make_batch, user, how: str, *more: str) -> Batch:
    batch = make_batch(*NAMES, *more, name="Drawer 13")
    drafts.set_duplicates(batch, how)
    return runs.start(Batch.objects.get(pk=batch.pk), user)


def result_files(batch: Batch) -> list[str]:
    return sorted(path.name for path in store.results_folder(batch).glob("*_ocr_results*.json"))


def test_what_was_read_before_costs_no_call(drawer, make_batch, user, scripted):
    batch = again(make_batch, user, "skip", "4.jpg")
    until(is_over(batch))
    assert scripted.calls == ["4.jpg"]
    assert batch.cards.count() == Batch.objects.get(pk=batch.pk).completed == 4
    until(lambda: not batch.cards.filter(files_due=True).exists())
    assert len(result_files(batch)) == 4


def test_a_large_batch_is_compared_by_the_drain_before_anything_is_read(
    drawer, make_batch, user, scripted, monkeypatch
):
    monkeypatch.setattr(duplicates, "BLOCK", 1)
    batch = again(make_batch, user, "skip", "4.jpg")
    until(is_over(batch))
    assert scripted.calls == ["4.jpg"]


def test_overwritten_readings_stand_in_the_history(drawer, make_batch, user, scripted):
    scripted.script["1.jpg"] = [EngineFailed("again, please")]
    batch = again(make_batch, user, "overwrite")
    until(is_over(batch))
    assert sorted(set(scripted.calls)) == sorted(NAMES)
    for card in batch.cards.select_related("result"):
        assert [(one.state, one.pk == card.result_id) for one in card.results.order_by("pk")] == [
            (ResultState.EARLIER, False),
            (ResultState.CURRENT, True),
        ]
    assert result_files(batch) == [] or "_2" not in "".join(result_files(batch))


def test_both_are_kept_and_a_person_decides(drawer, make_batch, user, scripted, monkeypatch):
    read = scripted.read
    monkeypatch.setattr(
        scripted, "read", lambda image, task: read(image, task) if image.path.name != "2.jpg" else reading_of("Sinding")
    )
    batch = again(make_batch, user, "suffix")
    until(is_over(batch))
    states = {card.filename: [one.state for one in card.results.order_by("pk")] for card in batch.cards.all()}
    assert states == {
        "1.jpg": [ResultState.CURRENT, ResultState.EQUAL],
        "2.jpg": [ResultState.CURRENT, ResultState.CANDIDATE],
        "3.jpg": [ResultState.CURRENT, ResultState.EQUAL],
    }
    card = batch.cards.select_related("result").get(filename="2.jpg")
    assert (card.result.values["author"], card.candidates, card.to_check) == ("2.jpg", 1, True)
    fresh = Batch.objects.get(pk=batch.pk)
    assert (fresh.completed, fresh.check_again, fresh.pending) == (3, 1, 0)
    until(lambda: not batch.cards.filter(files_due=True).exists())
    assert len(result_files(batch)) == 6
    folder = store.results_folder(fresh)
    author = {
        suffix: json.loads((folder / f"2.jpg_ocr_results{suffix}.json").read_text())["values"]["author"]
        for suffix in ("", "_2")
    }
    assert author == {"": "2.jpg", "_2": "Sinding"}


def test_a_second_reading_that_fails_leaves_the_earlier_one(drawer, make_batch, user, scripted):
    scripted.script["2.jpg"] = [ReplyInvalid("no")] * 9
    batch = make_batch(*NAMES, name="Drawer 13", options={"retries": 0})
    drafts.set_duplicates(batch, "suffix")
    batch = runs.start(Batch.objects.get(pk=batch.pk), user)
    until(is_over(batch))
    card = batch.cards.select_related("result").get(filename="2.jpg")
    assert (card.status, card.result.values["author"], card.error) == ("completed", "2.jpg", "")
    assert card.attempts.exclude(error="").count() == 1


def test_one_that_was_to_be_overwritten_and_cannot_be_read_keeps_the_earlier_reading(
    drawer, make_batch, user, other_user, scripted
):
    before = drawer.cards.select_related("result").get(filename="2.jpg")
    cards.correct(before, other_user, before.version, {"author": "Sinding"}, reviewed=True)
    scripted.script["2.jpg"] = [ReplyInvalid("no")] * 9
    batch = make_batch(*NAMES, "4.jpg", name="Drawer 13", options={"retries": 1})
    scripted.script["4.jpg"] = [ReplyInvalid("no")] * 9
    drafts.set_duplicates(batch, "overwrite")
    batch = runs.start(Batch.objects.get(pk=batch.pk), user)
    until(is_over(batch))
    card = batch.cards.select_related("result").get(filename="2.jpg")
    assert (card.status, card.error, card.result.values["author"]) == ("completed", "", "Sinding")
    assert (card.result.state, card.reviewed, card.reviewed_by, card.tries) == ("current", True, other_user, 2)
    assert [one.error for one in card.attempts.all()] == ["reply_invalid"] * 2, "they tell why there is nothing new"
    assert batch.cards.get(filename="4.jpg").status == "failed", "there is nothing to keep"
    fresh = Batch.objects.get(pk=batch.pk)
    assert (fresh.completed, fresh.failed, fresh.reviewed, fresh.processing) == (3, 1, 1, 0)
    until(lambda: not batch.cards.filter(files_due=True).exists())
    assert "2.jpg_ocr_results.json" in result_files(fresh)


def test_the_same_file_added_twice_in_one_batch_is_no_duplicate_of_itself(make_batch, user):
    batch = make_batch(*NAMES)
    adding.add_file(batch, "copy.jpg", [image_bytes((80, 60), colour=(0, 0, 90))])
    assert duplicates.found(batch, duplicates.scans(batch)) == {}
