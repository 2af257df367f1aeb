from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from batches import changes
from batches.drain import claims, collector, threads
from batches.drain.collector import Collector
from batches.drain.outcomes import Outcome, Start
from batches.models import Attempt, Batch, Card, CardResult, CardScan, Worker
from batches.queries.means import setup_of
from batches.states import BatchStatus, CardStatus, PauseReason
from ocr import errors
from ocr.models import Engine
from ocr.reading import FieldReading, Usage
from tests.batches.drain.adapters import reading_of
from tests.batches.drain.test_claims import make_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def started(batch, make_cards):
    make_cards(3, prepared_at=timezone.now())
    return changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())


@pytest.fixture
def worker(db) -> Worker:
    return make_worker("one")


@pytest.fixture
def claimed(started, worker) -> list[Card]:
    return claims.take(started.pk, worker, 3)


@pytest.fixture
def saving(worker) -> Collector:
    return Collector(worker.pk)


def outcome(card, kind=Engine.Kind.OPENAI_COMPATIBLE, **fields):
    engine, _made = Engine.objects.get_or_create(kind=kind, defaults={"name": str(kind)})
    setup = setup_of(card.batch, engine)
    return Outcome(card, card.batch, setup, **({"started_at": timezone.now(), "duration": 0.5} | fields))


def read(card, text="Grieg", **fields):
    return outcome(card, reading=reading_of(text), **fields)


def failed(card, error, **fields):
    return outcome(card, error=error, **fields)


def fresh(card):
    return Card.objects.select_related("result").get(pk=card.pk)


def test_a_start_makes_the_card_one_that_is_being_read(saving, claimed, started):
    saving.write([Start(claimed[0], timezone.now()), Start(claimed[1], timezone.now())])
    started.refresh_from_db()
    assert (started.pending, started.processing) == (1, 2)
    assert fresh(claimed[0]).called_at is not None
    assert fresh(claimed[0]).version == fresh(claimed[1]).version == started.version


def test_a_reading_is_saved_with_its_attempt_counters_and_pace(saving, claimed, started):
    saving.write([read(claimed[0])])
    card = fresh(claimed[0])
    started.refresh_from_db()
    assert card.status == CardStatus.COMPLETED
    assert (card.worker, card.lease_until, card.tries, card.files_due) == (None, None, 1, True)
    assert card.result.values == {"author": "Grieg", "title": "Peer Gynt", "year": "1875"}
    assert card.result.confidence == 0.95
    assert "peer gynt" in card.result.search
    attempt = Attempt.objects.get(card=card)
    assert (attempt.result, attempt.claim, attempt.tokens_in, attempt.worker_uid) == (card.result, 1, 10, "one")
    assert (started.completed, started.pending, started.tokens_in, started.tokens_out) == (1, 2, 10, 5)
    assert sum(cards for _minute, cards in started.pace) == 1


def test_one_transaction_adds_one_version(saving, claimed, started):
    started.refresh_from_db()
    before = started.version
    saving.write([Start(claimed[0], timezone.now()), read(claimed[1]), read(claimed[2])])
    started.refresh_from_db()
    assert started.version == before + 1


def test_every_reading_of_an_engine_whose_confidence_proves_nothing_is_to_be_checked(saving, claimed, started):
    saving.write([read(claimed[0], kind=Engine.Kind.LOCAL)])
    started.refresh_from_db()
    assert started.to_check == 1
    assert fresh(claimed[0]).to_check


def test_a_sure_reading_of_a_model_is_not(saving, claimed):
    saving.write([read(claimed[0])])
    assert not fresh(claimed[0]).to_check


def test_the_last_card_finishes_the_batch(saving, claimed, started):
    saving.write([read(card) for card in claimed])
    started.refresh_from_db()
    assert started.status == BatchStatus.COMPLETED
    assert started.finished_at is not None


def test_a_completed_batch_with_failures_stays_completed(saving, claimed, started):
    saving.write([read(claimed[0]), read(claimed[1]), failed(claimed[2], errors.UnreadableImage("broken"))])
    started.refresh_from_db()
    assert (started.status, started.failed, started.completed) == (BatchStatus.COMPLETED, 1, 2)


def test_a_late_result_does_not_overwrite(saving, claimed, started, worker):
    other = make_worker("two")
    claims.release(started.pk, worker, [claimed[0].pk])
    again = claims.take(started.pk, other, 1)
    Collector(other.pk).write([read(again[0], "of the second")])
    saving.write([read(claimed[0], "of the first")])
    assert fresh(claimed[0]).result.values["author"] == "of the second"
    assert saving.dropped == 1


def test_a_result_whose_claim_was_given_away_is_dropped_but_its_cost_is_kept(saving, claimed, started, worker):
    claims.release(started.pk, worker, [claimed[0].pk])
    claims.take(started.pk, make_worker("two"), 1)
    saving.write([read(claimed[0])])
    started.refresh_from_db()
    assert (fresh(claimed[0]).status, saving.dropped, started.tokens_in) == (CardStatus.PENDING, 1, 10)
    assert Attempt.objects.get().result is None
    assert not CardResult.objects.exists()


def test_a_result_whose_card_merely_waits_again_is_kept_since_it_is_paid_for(saving, claimed, started, worker):
    claims.release(started.pk, worker, [claimed[0].pk])
    saving.write([read(claimed[0])])
    assert fresh(claimed[0]).status == CardStatus.COMPLETED
    assert saving.dropped == 0


def test_a_result_of_a_scan_that_was_replaced_meanwhile_is_dropped(saving, claimed, started, worker):
    late = claimed[0]
    claims.release(started.pk, worker, [late.pk])
    Card.objects.filter(pk=late.pk).update(edition=2, sha256="0" * 64)
    saving.write([read(late)])
    assert fresh(late).result is None
    assert Attempt.objects.count() == 1  # it was paid for
    assert saving.dropped == 1


def test_a_failure_of_a_card_that_waits_again_is_dropped(saving, claimed, started, worker):
    claims.release(started.pk, worker, [claimed[0].pk])
    saving.write([failed(claimed[0], errors.RequestRefused("no"))])
    assert fresh(claimed[0]).status == CardStatus.PENDING


def test_a_start_of_a_card_that_is_anothers_is_refused(saving, claimed, started, worker):
    claims.release(started.pk, worker, [claimed[0].pk])
    start = Start(claimed[0], timezone.now())
    saving.write([start])
    assert start.refused
    assert fresh(claimed[0]).status == CardStatus.PENDING


@pytest.mark.parametrize("edition", [1, 2])
def test_a_result_of_a_back_that_was_replaced_meanwhile_is_dropped(saving, claimed, started, worker, edition):
    late = claimed[0]
    late.back = CardScan.objects.create(card=late, role=CardScan.Role.BACK, **late.as_scan())
    late.save(update_fields=["back"])
    claims.release(started.pk, worker, [late.pk])
    CardScan.objects.update(edition=edition)
    saving.write([read(late)])
    assert CardResult.objects.filter(card=late).exists() == (edition == 1)


def test_what_a_person_entered_meanwhile_is_never_replaced(saving, claimed, started):
    with changes.locked(started) as change:
        by_hand = CardResult.objects.create(card=claimed[0], by_hand=True)
        change.move_card(fresh(claimed[0]), CardStatus.COMPLETED, result=by_hand, reviewed=True)
    saving.write([read(claimed[0])])
    card = fresh(claimed[0])
    assert card.result.by_hand
    assert (card.worker, saving.dropped) == (None, 1)


def test_what_a_person_skipped_meanwhile_stays_skipped(saving, claimed, started):
    with changes.locked(started) as change:
        change.move_card(fresh(claimed[0]), CardStatus.SKIPPED)
    saving.write([read(claimed[0])])
    assert fresh(claimed[0]).status == CardStatus.SKIPPED


def test_a_call_that_was_in_flight_at_the_stop_is_kept(saving, claimed, started):
    saving.write([Start(claimed[0], timezone.now())])
    changes.move_batch(started, BatchStatus.CANCELLED)
    changes.move_cards(started, Card.objects.filter(pk=claimed[1].pk), CardStatus.CANCELLED)
    saving.write([read(claimed[0]), read(claimed[1])])
    assert fresh(claimed[0]).status == fresh(claimed[1]).status == CardStatus.COMPLETED
    started.refresh_from_db()
    assert (started.status, started.completed, started.cancelled) == (BatchStatus.CANCELLED, 2, 0)


def test_a_retryable_failure_waits_and_counts_until_the_tries_are_used_up(saving, claimed, started, worker):
    for tries in (1, 2):
        saving.write([failed(claimed[0], errors.EngineFailed("500"), retry_in=60.0)])
        card = fresh(claimed[0])
        assert (card.status, card.tries, card.worker) == (CardStatus.PENDING, tries, None)
        assert card.not_before > timezone.now()
        Card.objects.filter(pk=card.pk).update(not_before=None)
        (claimed[0],) = claims.take(started.pk, worker, 1)
    saving.write([failed(claimed[0], errors.EngineFailed("500 again", raw="<html>"))])
    card = fresh(claimed[0])
    assert (card.status, card.tries, card.error, card.error_message) == ("failed", 3, "engine_failed", "500 again")
    assert card.files_due
    assert Attempt.objects.filter(card=card).count() == 3
    assert Attempt.objects.first().raw_reply == "<html>"


def test_a_rate_limit_is_not_a_try(saving, claimed):
    for _ in range(5):
        saving.write([failed(claimed[0], errors.RateLimited("slow down"), retry_in=1.0)])
        Card.objects.filter(pk=claimed[0].pk).update(worker=claimed[0].worker)
    assert (fresh(claimed[0]).status, fresh(claimed[0]).tries) == (CardStatus.PENDING, 0)
    assert not Attempt.objects.filter(counted=True).exists()


def test_what_is_final_fails_at_once(saving, claimed):
    saving.write([failed(claimed[0], errors.RequestRefused("no such model"))])
    assert (fresh(claimed[0]).status, fresh(claimed[0]).tries) == (CardStatus.FAILED, 1)


def test_an_image_that_cannot_be_opened_is_no_call(saving, claimed):
    saving.write([failed(claimed[0], errors.UnreadableImage("not an image"), started_at=None)])
    assert fresh(claimed[0]).error == "unreadable_image"
    assert not Attempt.objects.exists()


def test_a_refused_key_pauses_the_batch_and_charges_no_card(saving, claimed, started):
    saving.write([failed(card, errors.CredentialsRefused("401")) for card in claimed])
    started.refresh_from_db()
    assert (started.status, started.pause_reason) == (BatchStatus.PAUSED, PauseReason.CREDENTIALS)
    assert started.pause_message == "401"
    assert (started.pending, fresh(claimed[0]).tries) == (3, 0)


def test_a_persons_pause_is_not_overwritten(saving, claimed, started):
    changes.move_batch(started, BatchStatus.PAUSED, pause_reason=PauseReason.PERSON)
    saving.write([failed(claimed[0], errors.CredentialsRefused("401"))])
    started.refresh_from_db()
    assert started.pause_reason == PauseReason.PERSON


def test_a_refusal_from_before_a_person_resumed_pauses_nothing(saving, claimed, started):
    changes.move_batch(started, BatchStatus.PAUSED, pause_reason=PauseReason.CREDENTIALS)
    changes.move_batch(started, BatchStatus.QUEUED, pause_reason="")
    saving.write([failed(claimed[0], errors.CredentialsRefused("401"))])
    started.refresh_from_db()
    assert (started.status, fresh(claimed[0]).tries) == (BatchStatus.QUEUED, 0)


def test_a_failure_in_a_stopped_batch_is_stopped_and_not_tried_again(saving, claimed, started):
    saving.write([Start(claimed[0], timezone.now())])
    changes.move_batch(started, BatchStatus.CANCELLED)
    saving.write([failed(claimed[0], errors.EngineTimeout("late"))])
    saving.write([failed(claimed[1], errors.CallWithheld(), started_at=None)])
    assert fresh(claimed[0]).status == fresh(claimed[1]).status == CardStatus.CANCELLED
    started.refresh_from_db()
    assert (started.cancelled, started.pending, started.processing) == (2, 1, 0)


def test_the_rotation_found_is_kept(saving, claimed):
    saving.write([outcome(claimed[0], reading=reading_of(rotation=90)), read(claimed[1])])
    assert [fresh(card).rotation for card in claimed[:2]] == [90, 0]


def test_costs_are_added_up(saving, claimed, started):
    reading = replace(reading_of(), usage=Usage(1, 1, Decimal("0.0025")))
    saving.write([outcome(card, reading=reading) for card in claimed])
    started.refresh_from_db()
    assert started.cost == Decimal("0.0075")


def test_hostile_text_is_stored_clean(saving, claimed):
    fields = {"author": FieldReading("a\ud800b\x00", "a\ud800b\x00"), "title": FieldReading(None, None)}
    saving.write([outcome(claimed[0], reading=replace(reading_of(), fields=fields, raw="\ud83d\x00"))])
    assert fresh(claimed[0]).result.values == {"author": "a?b", "title": None}
    assert Attempt.objects.get().raw_reply == "?"


def test_an_erased_card_is_dropped(saving, claimed):
    Card.objects.filter(pk=claimed[0].pk).delete()
    saving.write([read(claimed[0]), read(claimed[1])])
    assert (saving.dropped, fresh(claimed[1]).status) == (1, CardStatus.COMPLETED)


def test_an_erased_batch_is_dropped(saving, claimed, started):
    late, start = read(claimed[0]), Start(claimed[1], timezone.now())
    Batch.objects.filter(pk=started.pk).delete()
    saving.write([late, start])
    assert (saving.dropped, start.refused) == (2, True)


def test_a_busy_database_is_waited_for(saving, claimed, monkeypatch):
    monkeypatch.setattr(threads, "BUSY_PAUSE", 0.001)
    refusals = [OperationalError("database is locked"), InterfaceError("the connection is closed")]
    locked = changes.locked

    def sometimes(batch):
        if refusals:
            raise refusals.pop()
        return locked(batch)

    monkeypatch.setattr(changes, "locked", sometimes)
    saving.write([read(claimed[0])])
    assert fresh(claimed[0]).status == CardStatus.COMPLETED


def test_a_row_that_no_database_takes_fails_alone(saving, claimed, monkeypatch):
    make = collector.result_of

    def picky(setup, card_id, reading):
        if card_id == claimed[1].pk:
            raise ValueError("poison")
        return make(setup, card_id, reading)

    monkeypatch.setattr(collector, "result_of", picky)
    saving.write([read(card) for card in claimed])
    assert [str(fresh(card).status) for card in claimed] == ["completed", "failed", "completed"]
    assert "ValueError" in fresh(claimed[1]).error_message


def test_not_even_an_unsaveable_failure_ends_the_collector(saving, claimed, monkeypatch):
    def broken(self, group, event):
        raise ValueError("broken")

    monkeypatch.setattr(Collector, "_settle", broken)
    saving.write([read(claimed[0])])
    assert fresh(claimed[0]).status == CardStatus.PENDING


def test_what_was_put_before_the_end_is_written(saving, claimed):
    for card in claimed:
        saving.put(read(card))
    saving.close()
    saving.run()
    assert {str(fresh(card).status) for card in claimed} == {"completed"}


def test_the_last_readings_wait_for_no_company(saving, claimed, monkeypatch):
    monkeypatch.setattr(collector, "LINGER", 600)
    saving.hurry()  # there is nothing yet: it holds for nothing that comes later
    saving.put(read(claimed[0]))
    saving.hurry()
    gathered = []
    assert saving._gather(gathered)
    assert [event.card.pk for event in gathered] == [claimed[0].pk]


def test_who_waits_for_a_mark_is_told(saving, claimed):
    start = Start(claimed[0], timezone.now(), collector.threading.Event())
    saving.put(start)
    saving.close()
    saving.run()
    assert start.decided.is_set()
    assert not start.refused


def test_a_group_of_forty_cards_costs_as_many_statements_as_one_of_ten(batch, make_cards, worker, saving):
    make_cards(50, prepared_at=timezone.now())
    changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())
    needed = []
    for size in (10, 40):
        cards = claims.take(batch.pk, worker, size)
        for event in (Start, read):
            told = [Start(card, timezone.now()) if event is Start else read(card, f"{card.pk}") for card in cards]
            with CaptureQueriesContext(connection) as statements:
                saving.write(told)
            needed.append(len(statements))
    assert needed[2] <= needed[0]
    assert needed[3] <= needed[1]
    assert sum(needed[:2]) <= 25
    assert Card.objects.filter(status=CardStatus.COMPLETED).count() == 50
