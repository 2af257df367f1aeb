"""Scans that were read before: found by everything that the answer rests on, and taken over in blocks."""

from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from batches import changes
from batches.actions import cards as card_actions
from batches.actions import drafts, runs, trash
from batches.drain import duplicates
from batches.intake.regions import turned
from batches.models import Batch, Card, CardResult, CardScan, FieldRevision, News
from batches.queries.means import Picture, pictures, read_key, setup_of
from batches.states import BatchStatus, CardStatus, ResultState
from ocr.models import Engine
from templates_app.models import FieldTemplate, FieldTemplateVersion
from tests.batches.reading import stored
from tests.conftest import FIELDS

IMAGES = [f"{number:064x}" for number in range(8)]


def draft(user, engine, *images: str, name: str = "Drawer 13", **fields) -> Batch:
    batch = Batch.objects.create(name=name, owner=user, engine=engine, **({"fields": FIELDS} | fields))
    with changes.locked(batch) as change:
        names = [f"{n}.jpg" for n in range(1, len(images) + 1)]
        change.add_cards(
            [
                Card(position=n, filename=name, source=name, original_name=name, sha256=image)
                for n, (name, image) in enumerate(zip(names, images, strict=True), 1)
            ]
        )
    return Batch.objects.get(pk=batch.pk)


def read(batch: Batch, *, confidence: float = 0.95) -> Batch:
    """Started, and read by a machine."""
    batch = runs.start(batch, batch.owner)
    setup = setup_of(batch, batch.engine)
    with changes.locked(batch) as change:
        change.move_batch(BatchStatus.RUNNING)
        for card in batch.cards.filter(status=CardStatus.PENDING):
            fields = {"author": stored(f"Grieg {card.sha256[-1]}", confidence=confidence), "title": stored("Peer Gynt")}
            key = read_key(setup, pictures(card))
            values = {name: field["value"] for name, field in fields.items()}
            result = CardResult.objects.create(
                card=card, fields=fields, values=values, read_key=key, engine=batch.engine, engine_name="local"
            )
            change.move_card(card, CardStatus.COMPLETED, result=result, to_check=True)
        change.move_batch(BatchStatus.COMPLETED)
    return Batch.objects.get(pk=batch.pk)


@pytest.fixture
def drawer(user, engine) -> Batch:
    """Four cards that were read."""
    return read(draft(user, engine, *IMAGES[:4], name="Drawer 12"))


def found(batch: Batch) -> list[str]:
    earlier = duplicates.found(batch, duplicates.scans(batch))
    return sorted(batch.cards.filter(pk__in=earlier).values_list("sha256", flat=True))


def counted(batch: Batch) -> dict[str, int]:
    batch.refresh_from_db()
    names = ("pending", "completed", "to_check", "reviewed", "check_again")
    return {name: getattr(batch, name) for name in names if getattr(batch, name)}


def test_the_same_image_with_the_same_means_was_read_before(drawer, user, engine):
    assert found(draft(user, engine, *IMAGES[2:6])) == IMAGES[2:4]


@pytest.mark.parametrize(
    "other",
    [
        {"model": "another"},
        {"instruction": "Names of ships are in capitals."},
        {"options": {"transcribe": True}},
        {"options": {"max_image_px": 800}},
        {"fields": FIELDS[:2]},
        {"fields": [FIELDS[0] | {"hints": {"keywords": ["By"]}}, *FIELDS[1:]]},
        {"fields": [FIELDS[0] | {"pattern": "[A-Z].*"}, *FIELDS[1:]]},
    ],
)
def test_other_means_are_another_reading(drawer, user, engine, other):
    assert found(draft(user, engine, *IMAGES[:4], **other)) == []


def test_another_engine_is_another_reading(drawer, user):
    other = Engine.objects.create(name="Other", kind=Engine.Kind.LOCAL)
    assert found(draft(user, other, *IMAGES[:4])) == []


def test_another_version_of_the_template_is_another_reading(user, engine):
    template = FieldTemplate.objects.create(name="Plankton", owner=user)
    first, second = (FieldTemplateVersion.objects.create(template=template, number=n) for n in (1, 2))
    read(draft(user, engine, *IMAGES[:2], template_version=first))
    assert found(draft(user, engine, *IMAGES[:2], template_version=first)) == IMAGES[:2]
    assert found(draft(user, engine, *IMAGES[:2], template_version=second)) == []


def test_a_threshold_changes_what_is_looked_at_and_not_what_is_read(drawer, user, engine):
    assert found(draft(user, engine, IMAGES[0], fields=[FIELDS[0] | {"threshold": 0.5}, *FIELDS[1:]])) == [IMAGES[0]]


def test_another_page_or_another_way_up_is_another_reading(drawer, user, engine):
    batch = draft(user, engine, *IMAGES[:3])
    batch.cards.filter(sha256=IMAGES[0]).update(rotation=90)
    batch.cards.filter(sha256=IMAGES[1]).update(page=2)
    assert found(batch) == [IMAGES[2]]


def test_hints_are_nothing_to_an_engine_that_never_sees_them(user):
    engine = Engine.objects.create(name="Model", kind=Engine.Kind.OPENAI_COMPATIBLE, address="http://x", model="m")
    read(draft(user, engine, *IMAGES[:2]))
    hinted = [FIELDS[0] | {"hints": {"keywords": ["By"]}}, *FIELDS[1:]]
    assert found(draft(user, engine, *IMAGES[:2], fields=hinted)) == IMAGES[:2]


def test_what_a_person_entered_by_hand_is_no_reading(drawer, user, engine):
    CardResult.objects.filter(card__sha256=IMAGES[0]).update(by_hand=True)
    drawer.cards.filter(sha256=IMAGES[1]).update(status=CardStatus.FAILED)
    assert found(draft(user, engine, *IMAGES[:4])) == IMAGES[2:4]


def test_a_batch_in_the_trash_gives_nothing(drawer, user, engine):
    trash.delete(drawer, user)
    assert found(draft(user, engine, *IMAGES[:4])) == []


def test_a_private_batch_gives_to_its_owner_alone(drawer, user, other_user, administrator, engine):
    assert found(draft(other_user, engine, IMAGES[0])) == [IMAGES[0]]
    Batch.objects.filter(pk=drawer.pk).update(everybody="none")
    assert found(draft(user, engine, IMAGES[0])) == [IMAGES[0]]
    assert found(draft(other_user, engine, IMAGES[0])) == []
    assert found(draft(administrator, engine, IMAGES[0])) == [], "others would read it in the administrator's batch"


def test_the_reviewed_reading_is_preferred_then_the_newest(drawer, user, engine):
    again = draft(user, engine, IMAGES[0], options={"on_duplicate": "overwrite"})
    second = read(again)
    batch = draft(user, engine, IMAGES[0])
    assert {one.batch_id for one in duplicates.found(batch, duplicates.scans(batch)).values()} == {second.pk}
    drawer.cards.filter(sha256=IMAGES[0]).update(reviewed=True)
    assert {one.batch_id for one in duplicates.found(batch, duplicates.scans(batch)).values()} == {drawer.pk}


def test_looking_costs_a_query_for_each_chunk(drawer, user, engine, monkeypatch):
    def queries(number: int) -> int:
        batch = draft(user, engine, *(f"{n:064x}" for n in range(number)), name=f"{number} cards")
        with CaptureQueriesContext(
            connection,
        ) as made:
            duplicates.found(batch, duplicates.scans(batch))
        return len(made)

    few, many = queries(3), queries(300)
    assert few == many
    monkeypatch.setattr(duplicates, "CHUNK", 100)
    assert many < queries(301) <= many + 3 * 3


# -- what becomes of them


def start(user, engine, *images: str, how: str = "skip", **fields) -> Batch:
    batch = draft(user, engine, *images, **fields)
    drafts.set_duplicates(batch, how)
    return runs.start(Batch.objects.get(pk=batch.pk), user)


def test_skip_takes_the_reading_over_without_a_call(drawer, user, engine):
    batch = start(user, engine, *IMAGES[2:6])
    assert counted(batch) == {"pending": 2, "completed": 2, "to_check": 2}
    card = batch.cards.select_related("result__taken_from__card").get(sha256=IMAGES[2])
    assert card.result.taken_from.card.batch_id == drawer.pk
    assert card.result.values == card.result.taken_from.values == {"author": "Grieg 2", "title": "Peer Gynt"}
    assert card.result.fields == card.result.taken_from.fields
    assert (card.result.state, card.tries, card.attempts.count(), card.files_due) == (ResultState.CURRENT, 0, 0, True)


def test_a_reading_of_a_card_that_was_turned_since_is_taken_over_as_it_was_read(drawer, user, engine):
    box, back = [0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0.1, 0.2]
    fields = {
        "author": stored("Grieg", regions=[turned(box, 90)]),
        "title": stored("Peer Gynt", regions=[turned(back, 180)], on_back=True),
    }
    CardResult.objects.update(fields=fields, turned=90, back_turned=180)
    card = start(user, engine, IMAGES[2]).cards.select_related("result").get()
    assert [card.result.fields[key]["regions"] for key in fields] == [[box], [back]]
    assert (card.result.turned, card.result.back_turned) == (0, 0)


def test_a_batch_of_nothing_new_is_finished_at_once_and_has_its_folder(drawer, user, engine):
    batch = start(user, engine, *IMAGES[:4])
    assert (batch.status, batch.compared_upto) == (BatchStatus.COMPLETED, None)
    assert counted(batch) == {"completed": 4, "to_check": 4}


def test_that_a_batch_is_finished_at_once_is_told_to_its_owner_where_somebody_else_started_it(
    drawer, user, administrator, engine
):
    start(user, engine, *IMAGES[:4])
    assert not News.objects.exists()
    batch = draft(user, engine, *IMAGES[:4])
    runs.start(batch, administrator)
    assert [(one.user, one.batch) for one in News.objects.all()] == [(user, batch)]


def test_what_people_corrected_and_who_reviewed_it_come_along(drawer, user, other_user, engine):
    corrected, reviewed = drawer.cards.all()[:2]
    card_actions.correct(corrected, other_user, corrected.version, {"author": "Halvorsen"})
    card_actions.mark_reviewed(reviewed, other_user, reviewed.version, True)
    batch = start(user, engine, *IMAGES[:3])
    assert counted(batch) == {"completed": 3, "to_check": 2, "reviewed": 1}
    first, second, third = batch.cards.select_related("result", "reviewed_by").order_by("position")
    assert first.result.values["author"] == "Halvorsen"
    assert first.result.fields["author"]["value"] == "Grieg 0", "the machine's reading stays as it was"
    assert [(one.key, one.old, one.new, one.by) for one in first.revisions.all()] == [
        ("author", "Grieg 0", "Halvorsen", other_user)
    ]
    assert (second.reviewed, second.reviewed_by, second.to_check) == (True, other_user, False)
    assert (third.reviewed, third.to_check) == (False, True)


def test_a_correction_of_an_earlier_reading_does_not_come_along(drawer, user, engine):
    card = drawer.cards.all()[0]
    card_actions.correct(card, user, card.version, {"author": "Halvorsen"})
    FieldRevision.objects.update(at="2020-01-01T00:00Z")
    batch = start(user, engine, IMAGES[0])
    assert not FieldRevision.objects.filter(card__batch=batch).exists()


def test_what_is_to_be_checked_follows_the_fields_of_this_batch(user):
    engine = Engine.objects.create(name="Model", kind=Engine.Kind.OPENAI_COMPATIBLE, address="http://x", model="m")
    read(draft(user, engine, IMAGES[0]), confidence=0.7)
    strict = start(user, engine, IMAGES[0])
    lenient = start(user, engine, IMAGES[0], fields=[FIELDS[0] | {"threshold": 0.5}, *FIELDS[1:]])
    assert (counted(strict).get("to_check"), counted(lenient).get("to_check")) == (1, None)


def test_overwrite_reads_again_and_keeps_the_earlier_one_in_the_history(drawer, user, engine):
    batch = start(user, engine, *IMAGES[:2], how="overwrite")
    assert counted(batch) == {"pending": 2}
    card = batch.cards.all()[0]
    assert card.result is None
    assert [(one.state, one.taken_from is not None) for one in card.results.all()] == [(ResultState.EARLIER, True)]


def test_suffix_lets_the_earlier_one_hold_while_the_card_waits(drawer, user, engine):
    batch = start(user, engine, *IMAGES[:2], how="suffix")
    assert counted(batch) == {"pending": 2}
    card = batch.cards.select_related("result").all()[0]
    assert (card.status, card.result.values["author"]) == (CardStatus.PENDING, "Grieg 0")


def test_a_scan_that_cannot_be_opened_is_no_duplicate(drawer, user, engine):
    batch = draft(user, engine, *IMAGES[:2])
    batch.cards.filter(sha256=IMAGES[0]).update(error="unreadable_image")
    assert counted(runs.start(batch, user)) == {"pending": 1, "completed": 1, "to_check": 1}


def test_a_choice_that_is_none_is_left_out(user, engine):
    batch = draft(user, engine, IMAGES[0])
    drafts.set_duplicates(batch, "' OR 1=1")
    batch.refresh_from_db()
    assert batch.option("on_duplicate") == "skip"


# -- in blocks


@pytest.fixture
def small_blocks(monkeypatch) -> None:
    monkeypatch.setattr(duplicates, "BLOCK", 2)


def test_a_large_batch_goes_on_behind_the_first_block_and_nothing_is_read_before(drawer, small_blocks, user, engine):
    batch = start(user, engine, *IMAGES[:5])
    assert (batch.compared_upto, counted(batch)["completed"]) == (2, 2)
    assert duplicates.due() == [batch.pk]
    assert duplicates.take_over_some(batch.pk) is True
    assert duplicates.take_over_some(batch.pk) is False
    assert (counted(batch), batch.compared_upto) == ({"pending": 1, "completed": 4, "to_check": 4}, None)
    assert duplicates.due() == []


def test_a_block_that_is_cut_short_is_done_again_whole(drawer, small_blocks, user, engine, monkeypatch):
    batch = start(user, engine, *IMAGES[:4])
    place = duplicates._place
    monkeypatch.setattr(duplicates, "_place", lambda *args, **more: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        duplicates.take_over_some(batch.pk)
    assert counted(batch) == {"pending": 2, "completed": 2, "to_check": 2}
    assert CardResult.objects.filter(card__batch=batch).count() == 2
    monkeypatch.setattr(duplicates, "_place", place)
    while duplicates.take_over_some(batch.pk):
        continue
    assert counted(batch) == {"completed": 4, "to_check": 4}
    assert batch.status == BatchStatus.COMPLETED


def test_a_stopped_batch_takes_nothing_over_until_it_is_resumed(drawer, small_blocks, user, engine):
    batch = start(user, engine, *IMAGES[:5])
    runs.cancel(batch)
    assert duplicates.take_over_some(batch.pk) is False
    runs.resume(batch)
    while duplicates.take_over_some(batch.pk):
        continue
    assert counted(batch) == {"pending": 1, "completed": 4, "to_check": 4}


def test_a_block_costs_the_same_queries_however_many_cards_it_has(user, engine, monkeypatch):
    images = [f"{n:064x}" for n in range(30)]
    read(draft(user, engine, *images))

    def queries(number: int) -> int:
        batch = draft(user, engine, *images[:number])
        Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.QUEUED, compared_upto=0)
        with CaptureQueriesContext(connection) as made:
            duplicates.take_over_some(batch.pk)
        assert batch.cards.filter(status=CardStatus.COMPLETED).count() == number
        return len(made)

    assert queries(3) == queries(30)


def test_a_key_differs_where_anything_in_it_differs(user, engine):
    setup = setup_of(draft(user, engine), engine)
    front = Picture(IMAGES[0], 0, 0)
    keys = {
        read_key(setup, [front]),
        read_key(setup, [replace(front, sha256=IMAGES[1])]),
        read_key(setup, [replace(front, page=1)]),
        read_key(setup, [replace(front, rotation=90)]),
        read_key(setup, [replace(front, crop=[0, 0, 300, 200])]),
        read_key(setup, [replace(front, crop=[300, 0, 300, 200])]),
        read_key(setup, [front, Picture(IMAGES[1], 0, 0)]),
        read_key(replace(setup, key="other"), [front]),
    }
    assert len(keys) == 8


def test_pairs_are_looked_for_with_as_many_questions_as_single_cards(user, engine):
    numbers = []
    for backs in (0, 4):
        batch = draft(user, engine, *IMAGES[:4])
        for card in batch.cards.all()[:backs]:
            card.back = CardScan.objects.create(card=card, role=CardScan.Role.BACK, **card.as_scan())
            card.save()
        with CaptureQueriesContext(connection) as asked:
            runs.start(batch, user)
        numbers.append(len(asked))
    assert numbers[0] == numbers[1]
