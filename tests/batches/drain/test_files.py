"""What stands in the result files, beside the filer that writes them."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from batches import changes
from batches.drain import filer, files
from batches.drain.overview import NAME, Overviews
from batches.intake import adding, moves, store
from batches.models import Attempt, Batch, Card, CardResult, CardScan
from batches.states import BatchStatus, CardStatus, PauseReason
from tests.batches.reading import stored
from tests.conftest import image_bytes

pytestmark = pytest.mark.django_db


@pytest.fixture
def started(batch):
    adding.add_file(batch, "scan.jpg", [image_bytes((80, 60))])
    now = timezone.now()
    batch.refresh_from_db()
    changes.move_batch(
        batch, BatchStatus.QUEUED, started_at=now, label=store.label(batch, now), prompt="Read it.", currency="EUR"
    )
    moves.settle(Batch.objects.get(pk=batch.pk))
    return Batch.objects.get(pk=batch.pk)


def read(batch, **given) -> Card:
    fields = {"author": stored("Grieg", confidence=0.4), "title": stored("Peer Gynt"), "year": stored(None)}
    card = Card.objects.get(batch=batch)
    result = CardResult.objects.create(
        card=card,
        fields=fields,
        values={key: field["value"] for key, field in fields.items()},
        engine_name="vlm",
        model="vision-1",
        **{"revision": "r7", "prompt_hash": "p" * 64, "schema_hash": "s" * 64} | given,
    )
    for claim in (1, 2):
        Attempt.objects.create(
            card=card,
            result=result if claim == 2 else None,
            claim=claim,
            engine_name="vlm",
            started_at=timezone.now(),
            duration=1.5,
            tokens_in=1200,
            tokens_cached=64,
            tokens_out=150,
            tokens_thinking=90,
            cost=Decimal("0.00039"),
        )
    with changes.locked(batch) as change:
        change.move_card(card, CardStatus.COMPLETED, result=result, files_due=True, tries=2)
    return Card.objects.get(pk=card.pk)


def told(card) -> dict:
    filer.file_due()
    return json.loads((store.results_folder(card.batch) / "scan.jpg_ocr_results.json").read_text())


def test_a_result_tells_what_it_was_read_with_and_what_that_took(started):
    card = read(started)
    said = told(card)
    assert (said["engine"], said["model"], said["revision"]) == ("vlm", "vision-1", "r7")
    assert (said["prompt_sha256"], said["schema_sha256"]) == ("p" * 64, "s" * 64)
    assert said["usage"] == {
        "tokens_in": 1200,
        "tokens_cached": 64,
        "tokens_out": 150,
        "tokens_thinking": 90,
        "cost": "0.000390",
        "currency": "EUR",
    }
    assert (said["duration_seconds"], said["tries"]) == (1.5, 2)
    assert said["started_at"].startswith(str(timezone.now().year))
    assert said["image"] == {"sha256": card.sha256, "page": None, "width": 80, "height": 60, "rotation": 0}
    assert len(card.sha256) == 64


def test_a_part_of_a_sheet_and_the_back_say_what_they_are(started):
    card = read(started)
    Card.objects.update(crop=[10, 20, 40, 30])
    back = CardScan.objects.create(card=card, role=CardScan.Role.BACK, source="back.jpg", sha256="b" * 64, rotation=180)
    Card.objects.update(back=back)
    said = told(card)
    assert (said["image"]["source"], said["image"]["region"]) == ("scan.jpg", [10, 20, 40, 30])
    assert (said["back"]["sha256"], said["back"]["rotation"]) == ("b" * 64, 180)


def test_a_result_tells_the_machines_reading_what_holds_now_and_why_it_deserves_a_look(started):
    card = read(started)
    CardResult.objects.filter(pk=card.result_id).update(values={"author": "Grieg, Edvard", "title": "x", "year": None})
    said = told(card)
    assert said["machine_reading"]["author"]["value"] == "Grieg"
    assert said["values"]["author"] == "Grieg, Edvard"
    assert said["issues"] == {"author": ["confidence"]}


def test_several_entries_the_pictures_and_the_summary_stand_in_both_files(started):
    entries = [{"author": stored("Grieg")}, {"author": stored("Sinding"), "title": stored("Rustle of Spring")}]
    card = read(started, entries=entries, pictures="A stamp.", summary="Two works.", transcription="GRIEG")
    said = told(card)
    assert [entry["values"]["author"] for entry in said["entries"]] == ["Grieg", "Sinding"]
    assert said["entries"][1]["machine_reading"] == entries[1]
    assert (said["pictures"], said["summary"]) == ("A stamp.", "Two works.")
    text = (store.results_folder(card.batch) / "scan.jpg_ocr_results.txt").read_text()
    assert text == (
        "Author: Grieg\nTitle: Peer Gynt\nYear:\n\n[2]\nAuthor: Sinding\nTitle: Rustle of Spring\nYear:\n"
        "\nTwo works.\n\nA stamp.\n\nGRIEG\n"
    )


def test_the_first_entry_says_what_holds_now(started):
    card = read(started, entries=[{"author": stored("Grieg")}, {"author": stored("Sinding")}])
    CardResult.objects.filter(pk=card.result_id).update(values={"author": "Grieg, Edvard"})
    first, second = told(card)["entries"]
    assert (first["values"], first["machine_reading"]["author"]["value"]) == ({"author": "Grieg, Edvard"}, "Grieg")
    assert second["values"] == {"author": "Sinding"}


def test_where_no_entry_was_found_the_list_is_empty_until_a_person_enters_one(started):
    card = read(started, entries=[])
    CardResult.objects.filter(pk=card.result_id).update(values={"author": None})
    assert told(card)["entries"] == []
    CardResult.objects.filter(pk=card.result_id).update(values={"author": "Grieg"})
    Card.objects.update(files_due=True)
    assert told(card)["entries"] == [{"values": {"author": "Grieg"}, "machine_reading": {}}]


def test_a_card_entered_by_hand_was_called_for_nothing(started):
    card = read(started, by_hand=True)
    Attempt.objects.update(result=None)
    said = told(card)
    assert said["by_hand"]
    assert said["started_at"] is None
    assert said["usage"]["tokens_in"] is None


def test_many_cards_need_no_more_queries_than_one(started, django_assert_num_queries):
    keys = [read(started).pk]
    for number in range(5):
        name = f"{number}.jpg"
        card = Card.objects.create(
            batch=started,
            position=number + 2,
            filename=name,
            source=name,
            original_name=name,
            reviewed_by=started.owner,
        )
        card.result = CardResult.objects.create(card=card, engine_name="", fields={}, values={})
        card.save()
        keys.append(card.pk)
    with django_assert_num_queries(5):
        for card in files.load(keys):
            assert card.result is not None
            files.of_card(card, card.result)
            files.as_text(card, card.result)
            assert card.sides


# batch.json


def overview(batch) -> dict:
    return json.loads((store.results_folder(batch) / NAME).read_text())


def test_a_started_batch_gets_its_overview(started):
    assert Overviews().write_due() == 1
    said = overview(started)
    assert (said["name"], said["label"], said["owner"]) == ("Drawer 12", started.label, "ingrid")
    assert (said["status"], said["prompt"], said["engine"]) == ("queued", "Read it.", "local")
    assert said["fields"] == started.fields
    assert (said["cards"]["total"], said["usage"]["cost"], said["finished_at"]) == (1, "0.000000", None)
    assert Overviews().write_due() == 0


def test_a_draft_gets_none(batch):
    adding.add_file(batch, "scan.jpg", [image_bytes((80, 60))])
    assert Overviews().write_due() == 0


def test_while_cards_are_read_it_is_not_written_with_each_of_them(started):
    overviews = Overviews()
    overviews.write_due()
    read(started)
    assert overviews.write_due() == 0
    later = timezone.now() + timedelta(seconds=61)
    Batch.objects.update(changed_at=later)
    assert overviews.write_due() == 1
    assert overview(started)["cards"]["completed"] == 1


def test_what_becomes_of_the_batch_is_written_at_once(started):
    overviews = Overviews()
    overviews.write_due()
    changes.move_batch(started, BatchStatus.PAUSED, pause_reason=PauseReason.PERSON)
    assert overviews.write_due() == 1
    assert (overview(started)["status"], overview(started)["pause_reason"]) == ("paused", "person")
    with changes.locked(started) as change:
        change.set(name="Drawer 13")
    assert overviews.write_due() == 1
    assert overview(started)["name"] == "Drawer 13"
    assert overviews.write_due() == 0


def test_a_full_disk_is_tried_again_later(started, monkeypatch):
    def full(*arguments):
        raise OSError("No space left on device")

    overviews = Overviews()
    with monkeypatch.context() as patched:
        patched.setattr(store, "write_atomic", full)
        assert overviews.write_due() == 0
    assert overviews.write_due() == 1


def test_a_batch_without_a_folder_gets_none_back(started):
    store.erase(started)
    assert Overviews().write_due() == 0
    assert not store.folder(started).exists()


def test_batches_that_are_told_already_cost_one_query(started, django_assert_num_queries):
    overviews = Overviews()
    for number in range(3):
        other = Batch.objects.create(name="x", owner=started.owner, label=f"x_{number}", status=BatchStatus.COMPLETED)
        store.make(other)
    assert overviews.write_due() == 4
    with django_assert_num_queries(1):
        assert overviews.write_due() == 0
