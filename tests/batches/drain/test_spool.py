"""What was read and not yet written when its process was killed is written by whoever sweeps up."""

import json
import os
from decimal import Decimal

import pytest
from django.utils import timezone

from batches import changes
from batches.actions import runs
from batches.drain import claims, presence, spool
from batches.drain.collector import Collector
from batches.drain.outcomes import Start
from batches.drain.presence import Presence
from batches.drain.spool import Spool
from batches.drain.sweeper import Sweeper
from batches.models import Attempt, Batch, Card, CardScan, Worker
from batches.states import BatchStatus
from ocr.errors import EngineFailed
from ocr.reading import FieldReading, Issue, Reading, Region, Usage, ValueState
from tests.batches.drain.adapters import reading_of
from tests.batches.drain.test_claims import make_worker
from tests.batches.drain.test_collector import failed, read
from tests.batches.drain.test_collector import outcome as outcome_of

pytestmark = pytest.mark.django_db

EVERYTHING = Reading(
    fields={
        "author": FieldReading(
            "Grièg,\ud800 E.", "Grieg", ValueState.UNREADABLE, 0.25, (Region(0.1, 0.2, 0.3, 0.4),), (Issue.TYPE,)
        ),
        "year": FieldReading(None, None, ValueState.ABSENT),
    },
    transcription="Grieg, Peer Gynt",
    pictures="a stamp",
    summary="A card.",
    entries=({"author": FieldReading("Grieg", "Grieg")}, {}),
    rotation=90,
    usage=Usage(10, 5, Decimal("0.00039"), 3, 2),
    model="reader-1",
    revision="fp_7",
    raw='{"author": "…"}',
    finish_reason="stop",
    unknown_keys=1,
)


@pytest.fixture
def batch(batch, engine):
    """Read by the engine that the outcomes of these tests name."""
    engine.kind = "openai_compatible"
    engine.save()
    return batch


@pytest.fixture
def killed(batch, make_cards):
    """A worker with three cards, two of which it was reading when it was killed."""
    make_cards(3, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())
    presence = Presence()
    cards = claims.take(batch.pk, presence.worker, 3)
    Collector(presence.worker.pk).write([Start(card, timezone.now()) for card in cards[:2]])
    os.close(presence._handle)
    return presence.worker, cards


def sweep():
    Sweeper(make_worker("me")).free_the_dead()


def sheet(worker, number=1):
    return spool.folder(worker) / f"{number}.lines"


def lines(worker):
    return sheet(worker).read_bytes().split(b"\n")[1:]


def rewrite(worker, *content):
    sheet(worker).write_bytes(b"".join(b"\n" + line for line in content))


def states():
    return [(card.status, card.crashes, card.worker_id) for card in Card.objects.order_by("position")]


def test_an_answer_that_was_not_written_yet_is_kept(killed, batch):
    worker, cards = killed
    Spool(worker).keep(read(cards[0], "Ibsen"))
    sweep()
    assert states() == [("completed", 0, None), ("pending", 1, None), ("pending", 0, None)]
    assert Card.objects.get(pk=cards[0].pk).result.values["author"] == "Ibsen"
    (attempt,) = Attempt.objects.all()
    assert (attempt.card_id, attempt.worker_uid, attempt.tokens_in) == (cards[0].pk, worker.uid, 10)
    assert Batch.objects.get(pk=batch.pk).tokens_in == 10
    assert not Worker.objects.filter(pk=worker.pk).exists()
    assert not spool.folder(worker).exists()


def test_who_looks_whether_a_worker_lives_is_not_taken_for_it(killed):
    """Each consumer of a machine looks, and each upgrade; the answers would be asked for and paid for again."""
    worker, cards = killed
    Spool(worker).keep(read(cards[0]))
    with presence.lock_file(worker.uid).open("r+") as another:
        assert presence._is_free(another.fileno())
        sweep()
    assert states() == [("completed", 0, None), ("pending", 1, None), ("pending", 0, None)]


def test_every_part_of_an_answer_comes_back(killed):
    worker, cards = killed
    kept = outcome_of(cards[0], reading=EVERYTHING, duration=1.5)
    Spool(worker).keep(kept)
    with spool.left_by(worker) as (found,):
        assert found.reading == EVERYTHING
        assert (found.started_at, found.duration, found.setup) == (kept.started_at, 1.5, kept.setup)


def test_two_who_sweep_up_write_it_once(killed):
    worker, cards = killed
    Spool(worker).keep(read(cards[0]))
    sweep()
    with spool.left_by(worker) as answers:
        assert answers == []


@pytest.mark.parametrize("action", [runs.pause, runs.cancel])
def test_the_answer_of_a_call_in_flight_is_kept_through_pause_and_stop(killed, batch, action):
    worker, cards = killed
    Spool(worker).keep(read(cards[0]))
    action(batch)
    sweep()
    assert Card.objects.get(pk=cards[0].pk).status == "completed"


def test_an_answer_that_was_cut_off_is_none(killed):
    worker, cards = killed
    kept = Spool(worker)
    for card in cards[:2]:
        kept.keep(read(card))
    first, second = lines(worker)
    rewrite(worker, first[:40], second)  # the disk was full for a moment
    sweep()
    assert [status for status, *_rest in states()] == ["pending", "completed", "pending"]


def test_what_a_full_disk_cuts_off_spoils_no_other(killed, monkeypatch):
    worker, cards = killed
    kept = Spool(worker)
    with monkeypatch.context() as full:
        write = os.write
        full.setattr(os, "write", lambda handle, line: write(handle, line[:50]))
        kept.keep(read(cards[0]))
    kept.keep(read(cards[1]))
    sweep()
    assert [status for status, *_rest in states()] == ["pending", "completed", "pending"]


def changed(**reading):
    return lambda kept: kept | {"reading": kept["reading"] | reading}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: [],
        lambda kept: kept | {"reading": "Grieg"},
        lambda kept: kept | {"duration": "long"},
        changed(fields=[1, 2]),
        changed(fields={"author": {"verbatim": 5}}),
        changed(usage={"tokens_in": 1, "cost": "dear"}),
        changed(entries=7),
    ],
)
def test_a_line_that_is_none_of_ours_costs_one_answer_and_holds_nothing_up(killed, spoil):
    worker, cards = killed
    kept = Spool(worker)
    for card in cards[:2]:
        kept.keep(read(card))
    first, second = lines(worker)
    rewrite(worker, json.dumps(spoil(json.loads(first))).encode(), second)
    sweep()
    assert [status for status, *_rest in states()] == ["pending", "completed", "pending"]
    assert not Worker.objects.filter(pk=worker.pk).exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 200_000, b'{"card": [], "claim": 1}', None])
def test_what_cannot_even_be_opened_does_not_either(killed, content):
    worker, _cards = killed
    Spool(worker)
    sheet(worker).mkdir() if content is None else sheet(worker).write_bytes(content)
    sweep()
    assert [status for status, *_rest in states()] == ["pending"] * 3
    assert not spool.folder(worker).exists()


def test_an_answer_of_an_earlier_claim_is_none(killed, batch):
    worker, cards = killed
    Spool(worker).keep(read(cards[0]))
    Card.objects.filter(pk=cards[0].pk).update(claim=cards[0].claim + 1)
    sweep()
    assert [status for status, *_rest in states()] == ["pending"] * 3


@pytest.mark.parametrize("change", [{"sha256": "1" * 64}, {"edition": 2}])
def test_an_answer_about_a_scan_that_was_replaced_is_none(killed, change):
    worker, cards = killed
    Spool(worker).keep(read(cards[0]))
    Card.objects.filter(pk=cards[0].pk).update(**change)
    sweep()
    assert [status for status, *_rest in states()] == ["pending"] * 3


@pytest.mark.parametrize(("edition", "status"), [(1, "completed"), (2, "pending")])
def test_an_answer_about_a_back_that_was_replaced_is_none(killed, edition, status):
    worker, (card, *_others) = killed
    card.back = CardScan.objects.create(card=card, role=CardScan.Role.BACK, **card.as_scan())
    card.save(update_fields=["back"])
    Spool(worker).keep(read(card))
    CardScan.objects.update(edition=edition)
    sweep()
    assert states()[0][0] == status


@pytest.mark.parametrize("change", [{"instruction": "Read the back."}, {"model": "other"}, {"engine": None}])
def test_an_answer_that_was_asked_for_differently_is_none(killed, batch, change):
    worker, cards = killed
    Spool(worker).keep(read(cards[0]))
    Batch.objects.filter(pk=batch.pk).update(**change)
    sweep()
    assert [status for status, *_rest in states()] == ["pending"] * 3


def test_what_is_written_is_put_aside_no_longer(killed):
    worker, cards = killed
    kept = Spool(worker)
    collector = Collector(worker.pk, spool=kept)
    for event in (read(cards[0]), failed(cards[1], EngineFailed("500")), Start(cards[2], timezone.now())):
        collector.put(event)
    assert [json.loads(line)["card"] for line in lines(worker)] == [cards[0].pk], "readings alone"
    collector.close()
    collector.run()
    assert lines(worker) == []
    kept.close()
    assert not spool.folder(worker).exists()


def test_a_full_sheet_goes_when_the_last_of_its_rows_stands(killed, monkeypatch):
    worker, cards = killed
    monkeypatch.setattr(spool, "SHEET", 1)
    kept = Spool(worker)
    events = [read(card) for card in cards]
    for event in events:
        kept.keep(event)
    assert [sheet(worker, number).exists() for number in (1, 2, 3)] == [True] * 3
    kept.forget(events[1])
    assert [sheet(worker, number).exists() for number in (1, 2, 3)] == [True, False, True]
    kept.close()


def test_a_sheet_stays_while_a_row_of_it_is_not_written(killed):
    worker, cards = killed
    kept = Spool(worker)
    events = [read(card) for card in cards[:2]]
    for event in events:
        kept.keep(event)
    kept.forget(events[0])
    sweep()
    assert Card.objects.get(pk=cards[1].pk).status == "completed"


def test_a_full_disk_costs_no_answer(killed, caplog):
    worker, cards = killed
    collector = Collector(worker.pk, spool=Spool(worker))
    spool.folder(worker).rmdir()
    collector.put(outcome_of(cards[0], reading=reading_of()))
    collector.close()
    collector.run()
    assert "could not be put aside" in caplog.text
    assert Card.objects.get(pk=cards[0].pk).status == "completed"
