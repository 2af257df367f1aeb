import fcntl
import json
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from batches import changes
from batches.drain import filer
from batches.intake import adding, moves, store
from batches.models import Batch, Card, CardResult
from batches.states import BatchStatus, CardStatus
from tests.conftest import image_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def card(batch):
    """A card with an image, read, in a started batch."""
    (card,) = adding.add_file(batch, "scan.jpg", [image_bytes((80, 60))]).cards
    now = timezone.now()
    changes.move_batch(batch, BatchStatus.QUEUED, started_at=now, label=store.label(batch, now))
    moves.settle(Batch.objects.get(pk=batch.pk))
    values = {"author": "Grieg, Édvard", "title": None}
    result = CardResult.objects.create(card=card, values=values, fields={}, transcription="Grieg\nPeer Gynt")
    with changes.locked(batch) as change:
        card = Card.objects.get(pk=card.pk)
        change.move_card(card, CardStatus.COMPLETED, result=result, files_due=True)
    return Card.objects.get(pk=card.pk)


def results(card) -> dict[str, Path]:
    return {path.suffix: path for path in store.results_folder(card.batch).iterdir()}


def test_a_read_card_gets_its_two_result_files(card):
    assert filer.file_due() == 1
    files = results(card)
    told = json.loads(files[".json"].read_text())
    assert (told["values"]["author"], told["file"], told["status"]) == ("Grieg, Édvard", "scan.jpg", "completed")
    assert files[".txt"].read_text() == "Author: Grieg, Édvard\nTitle:\nYear:\n\nGrieg\nPeer Gynt\n"
    card.refresh_from_db()
    assert not card.files_due
    assert filer.file_due() == 0


def test_a_failed_card_has_no_results_and_its_image_lies_among_the_errors(card):
    filer.file_due()
    with changes.locked(card.batch) as change:
        change.move_card(card, CardStatus.FAILED, files_due=True)
    assert filer.file_due() == 1
    assert results(card) == {}
    assert store.find(card).parent.name == "_errors"
    with changes.locked(card.batch) as change:
        change.move_card(card, CardStatus.PENDING, files_due=True)
    filer.file_due(card.batch_id)
    assert store.find(card).parent.name != "_errors"


def test_a_change_meanwhile_leaves_the_card_due(card, monkeypatch):
    def change_meanwhile(contents):
        with changes.locked(card.batch_id) as change:
            change.touch_card(Card.objects.get(pk=card.pk), reviewed=True)

    monkeypatch.setattr(store, "write_together", change_meanwhile)
    assert filer.file_due() == 0
    assert Card.objects.get(pk=card.pk).files_due


def test_the_folder_is_not_moved_while_files_are_written_into_it(card, monkeypatch):
    write, refused = store.write_together, []
    lock = Path(settings.DATA_DIR, "locks", card.batch.uid)

    def write_while_somebody_moves(contents):
        with lock.open("a") as file, pytest.raises(BlockingIOError) as caught:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        refused.append(caught.type)
        write(contents)

    monkeypatch.setattr(store, "write_together", write_while_somebody_moves)
    assert filer.file_due() == 1
    assert refused == [BlockingIOError]
    assert set(results(card)) == {".json", ".txt"}


@pytest.mark.parametrize(("module", "function"), [(store, "write_together"), (moves, "place")])
def test_a_full_disk_is_tried_again_later(card, monkeypatch, module, function):
    def full(*arguments):
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, function, full)
        patched.setattr(filer, "_among_errors", lambda batch: {card.source})
        assert filer.file_due() == 0
    assert filer.file_due() == 1


def test_no_card_suffers_for_the_file_of_another(card, monkeypatch):
    given = {"status": CardStatus.COMPLETED, "files_due": True}
    other = Card.objects.create(batch=card.batch, position=2, filename="b.jpg", source="b.jpg", **given)
    other.result = CardResult.objects.create(card=other)
    other.save()
    write = store.write_together

    def refuse_one(contents):
        if any(path.name.startswith("b.jpg") for path in contents):
            raise OSError("File name too long")
        write(contents)

    monkeypatch.setattr(store, "write_together", refuse_one)
    assert filer.file_due() == 1
    assert set(results(card)) == {".json", ".txt"}
    assert list(Card.objects.filter(files_due=True)) == [other]


def test_a_card_whose_image_is_gone_still_has_its_results(card):
    store.find(card).unlink()
    assert filer.file_due() == 1
    assert set(results(card)) == {".json", ".txt"}


def test_drafts_other_batches_and_a_stop_are_respected(card, batch):
    assert filer.file_due(batch.pk + 1) == 0
    assert filer.file_due(stopping=lambda: True) == 0


def test_more_cards_than_fit_at_once_are_filed_in_turn(card, monkeypatch):
    monkeypatch.setattr(filer, "AT_ONCE", 1)
    (second,) = [Card(batch=card.batch, position=2, filename="b.jpg", source="b.jpg", files_due=True)]
    Card.objects.bulk_create([second])
    assert filer.file_due() == 2
