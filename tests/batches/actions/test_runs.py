import pytest
from django.utils import timezone

from batches import changes, tasks
from batches.actions import problems, runs
from batches.drain import blocks
from batches.models import DEFAULT_OPTIONS, Batch, Card
from batches.states import BatchStatus, CardStatus, SkipReason
from ocr.models import Engine
from tests.conftest import FIELDS

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rung(monkeypatch, django_capture_on_commit_callbacks):
    """The doorbells that were rung."""
    bells: list[int] = []
    monkeypatch.setattr(tasks, "drain", bells.append)
    return bells


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


def put(batch, status, **fields):
    Batch.objects.filter(pk=batch.pk).update(status=status, **fields)
    batch.refresh_from_db()
    return batch


def test_a_start_freezes_the_batch_and_rings(batch, make_cards, user, rung, committed):
    make_cards(2)
    Batch.objects.filter(pk=batch.pk).update(options={"retries": 1})
    with committed():
        started = runs.start(batch, user)
    assert (started.status, rung) == (BatchStatus.QUEUED, [batch.pk])
    assert started.started_at is not None
    assert started.label.startswith("Drawer")
    assert started.label.endswith(started.uid)
    assert started.options == DEFAULT_OPTIONS | {"retries": 1}


def test_a_start_puts_the_cards_in_natural_order(batch, make_cards, user):
    cards = make_cards(3)
    for card, name in zip(cards, ("10.jpg", "9.jpg", "1.jpg"), strict=True):
        Card.objects.filter(pk=card.pk).update(original_name=name)
    runs.start(batch, user)
    assert list(batch.cards.values_list("original_name", flat=True)) == ["1.jpg", "9.jpg", "10.jpg"]


def test_the_prompt_and_the_model_are_frozen_for_a_model(batch, make_cards, user):
    make_cards(1)
    engine = Engine.objects.create(name="gpu", kind=Engine.Kind.OPENAI_COMPATIBLE, model="qwen3-vl")
    Batch.objects.filter(pk=batch.pk).update(engine=engine)
    started = runs.start(batch, user)
    assert started.model == "qwen3-vl"
    assert "author" in started.prompt


def test_a_second_click_on_start_is_harmless(batch, make_cards, user, rung, committed):
    make_cards(1)
    with committed():
        first, second = runs.start(batch, user), runs.start(batch, user)
    assert (first.label, first.version) == (second.label, second.version)
    assert rung == [batch.pk]


@pytest.mark.parametrize("fields", [[], [FIELDS[0] | {"active": False}]])
def test_without_an_active_field_nothing_starts(batch, make_cards, user, fields):
    make_cards(1)
    Batch.objects.filter(pk=batch.pk).update(fields=fields)
    with pytest.raises(runs.CannotStart, match="field") as refused:
        runs.start(batch, user)
    assert refused.value.code == "VALIDATION_ERROR"


def test_without_a_card_nothing_starts(batch, user):
    with pytest.raises(runs.CannotStart, match="scan"):
        runs.start(batch, user)


@pytest.mark.parametrize("change", [{"engine": None}, "disabled"])
def test_without_an_engine_nothing_starts(batch, make_cards, user, engine, change):
    make_cards(1)
    if change == "disabled":
        Engine.objects.update(enabled=False)
    else:
        Batch.objects.filter(pk=batch.pk).update(**change)
    with pytest.raises(runs.CannotStart, match="reads"):
        runs.start(batch, user)
    batch.refresh_from_db()
    assert batch.is_draft


def test_pause_and_resume(batch, make_cards):
    make_cards(1)
    put(batch, BatchStatus.RUNNING)
    paused = runs.pause(batch)
    assert (paused.status, paused.pause_reason) == (BatchStatus.PAUSED, "person")
    resumed = runs.resume(batch)
    assert (resumed.status, resumed.pause_reason) == (BatchStatus.QUEUED, "")
    assert runs.resume(batch).version == resumed.version


@pytest.mark.parametrize("option", ["describe_pictures", "summarize", "multiple_entries"])
def test_the_local_engine_does_not_start_with_what_it_cannot_do(batch, make_cards, user, option):
    make_cards(1)
    Batch.objects.filter(pk=batch.pk).update(options={option: True, "transcribe": True})
    with pytest.raises(runs.CannotStart, match="“local” reads text alone"):
        runs.start(batch, user)
    Batch.objects.filter(pk=batch.pk).update(options={"transcribe": True})
    assert runs.start(batch, user).status == BatchStatus.QUEUED


def test_a_persons_pause_wins_over_the_engines(batch):
    put(batch, BatchStatus.PAUSED, pause_reason="credentials", pause_message="401", retry_at=timezone.now())
    paused = runs.pause(batch)
    assert (paused.pause_reason, paused.pause_message, paused.retry_at) == ("person", "", None)


@pytest.mark.parametrize("action", [runs.pause, runs.cancel, runs.resume])
@pytest.mark.parametrize("status", [BatchStatus.COMPLETED, BatchStatus.FAILED])
def test_what_is_over_is_neither_paused_nor_stopped_nor_resumed(batch, action, status):
    put(batch, status)
    with pytest.raises(changes.TransitionRefused):
        action(batch)


def test_a_draft_is_not_paused_stopped_or_retried(batch):
    for action in (runs.pause, runs.cancel, runs.retry_all):
        with pytest.raises(changes.TransitionRefused):
            action(batch)


def test_cancel_stops_the_cards_that_wait_and_leaves_those_in_flight(batch, make_cards):
    make_cards(2)
    make_cards(1, CardStatus.PROCESSING)
    make_cards(1, CardStatus.COMPLETED)
    put(batch, BatchStatus.RUNNING)
    stopped = runs.cancel(batch)
    assert (stopped.status, stopped.cancelled, stopped.processing, stopped.completed) == ("cancelled", 2, 1, 1)
    assert stopped.finished_at is not None
    assert runs.cancel(batch).cancelled == 2


def test_cards_follow_a_cancel_in_blocks_and_resumably(batch, make_cards, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 2)
    make_cards(5)
    put(batch, BatchStatus.RUNNING)
    assert runs.cancel(batch).cancelled == 2
    blocks.finish_cut_short()
    batch.refresh_from_db()
    assert (batch.cancelled, batch.pending) == (5, 0)


def test_the_rest_of_a_stopped_batch_waits_again(batch, make_cards, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 2)
    make_cards(5)
    put(batch, BatchStatus.RUNNING)
    runs.cancel(batch)
    resumed = runs.resume(batch)
    assert (resumed.status, resumed.pending, resumed.cancelled, resumed.finished_at) == ("queued", 5, 0, None)


def test_a_paused_batch_goes_on_without_what_an_earlier_stop_left(batch, make_cards):
    make_cards(2, CardStatus.CANCELLED)
    make_cards(1)
    put(batch, BatchStatus.PAUSED, pause_reason="person")
    resumed = runs.resume(batch)
    assert (resumed.status, resumed.pending, resumed.cancelled) == ("queued", 1, 2)


@pytest.mark.parametrize("how", ["card", "cause"])
def test_one_card_of_a_stopped_batch_is_retried_without_what_the_stop_left(batch, make_cards, monkeypatch, how):
    monkeypatch.setattr(blocks, "BLOCK", 2)
    make_cards(5)
    failed = make_cards(1, CardStatus.FAILED, error="reply_invalid")[0]
    put(batch, BatchStatus.RUNNING)
    assert runs.cancel(batch).pending == 3, "the others follow"
    if how == "card":
        runs.retry_card(failed)
    else:
        problems.retry_cause(batch, "reply_invalid")
    batch.refresh_from_db()
    assert (batch.status, batch.pending, batch.cancelled) == ("queued", 1, 5)


def test_a_stop_ends_the_pilot(batch, make_cards):
    make_cards(3)
    put(batch, BatchStatus.RUNNING, pilot=2)
    assert runs.cancel(batch).pilot is None, "a retry or another reading would be held up by it"


def test_retry_all_reads_every_failed_card_again_and_nothing_else(batch, make_cards, monkeypatch, rung, committed):
    monkeypatch.setattr(blocks, "BLOCK", 2)
    failed = make_cards(5, CardStatus.FAILED, error="engine_failed", tries=3, crashes=2)
    make_cards(1, CardStatus.COMPLETED)
    make_cards(1, CardStatus.SKIPPED)
    put(batch, BatchStatus.COMPLETED, finished_at=timezone.now())
    with committed():
        assert runs.retry_all(batch) == 5
    assert batch.pk in rung
    batch.refresh_from_db()
    assert (batch.status, batch.failed, batch.retry_upto is None, batch.finished_at) == ("queued", 3, False, None)
    blocks.finish_cut_short()
    batch.refresh_from_db()
    assert (batch.pending, batch.failed, batch.completed, batch.skipped, batch.retry_upto) == (5, 0, 1, 1, None)
    card = Card.objects.get(pk=failed[0].pk)
    assert (card.error, card.tries, card.crashes, card.files_due) == ("", 0, 0, True)


def test_a_card_that_fails_anew_is_not_part_of_the_retry(batch, make_cards):
    make_cards(1, CardStatus.FAILED)
    make_cards(1, CardStatus.FAILED, version=99)
    put(batch, BatchStatus.RUNNING, retry_upto=5)
    assert not blocks.retry_some(batch.pk)
    batch.refresh_from_db()
    assert (batch.pending, batch.failed) == (1, 1)


def test_without_failed_cards_there_is_nothing_to_retry(batch, make_cards):
    make_cards(1, CardStatus.COMPLETED)
    put(batch, BatchStatus.COMPLETED)
    assert runs.retry_all(batch) == 0
    batch.refresh_from_db()
    assert batch.status == BatchStatus.COMPLETED


def test_a_retry_leaves_a_pause_to_the_person_who_paused(batch, make_cards):
    make_cards(1, CardStatus.FAILED)
    put(batch, BatchStatus.PAUSED, pause_reason="person")
    assert runs.retry_all(batch) == 1
    batch.refresh_from_db()
    assert (batch.status, batch.pending) == (BatchStatus.PAUSED, 1)


def test_one_failed_card_is_retried(batch, make_cards):
    card, _other = make_cards(2, CardStatus.FAILED, error="reply_invalid", tries=3)
    put(batch, BatchStatus.COMPLETED)
    retried = runs.retry_card(card)
    assert (retried.status, retried.tries, retried.error) == (CardStatus.PENDING, 0, "")
    batch.refresh_from_db()
    assert (batch.status, batch.pending, batch.failed) == (BatchStatus.QUEUED, 1, 1)
    version = batch.version
    assert runs.retry_card(card).status == CardStatus.PENDING
    batch.refresh_from_db()
    assert batch.version == version, "a second click changes nothing"


@pytest.mark.parametrize("status", [CardStatus.COMPLETED, CardStatus.SKIPPED, CardStatus.CANCELLED])
def test_only_failed_cards_are_retried(batch, make_cards, status):
    card = make_cards(1, status)[0]
    put(batch, BatchStatus.COMPLETED)
    with pytest.raises(changes.TransitionRefused):
        runs.retry_card(card)


def test_a_card_of_a_draft_is_not_retried(batch, card):
    with pytest.raises(changes.TransitionRefused):
        runs.retry_card(card)


@pytest.mark.parametrize("status", [CardStatus.PENDING, CardStatus.PROCESSING, CardStatus.FAILED])
def test_a_card_can_be_left_out(batch, make_cards, status):
    card = make_cards(1, status)[0]
    make_cards(1, CardStatus.COMPLETED)
    put(batch, BatchStatus.RUNNING)
    runs.skip(card, SkipReason.BLANK)
    runs.skip(card, SkipReason.BLANK)
    card.refresh_from_db()
    batch.refresh_from_db()
    assert (card.status, card.skip_reason) == (CardStatus.SKIPPED, "blank")
    assert (batch.status, batch.skipped) == (BatchStatus.COMPLETED, 1)


def test_a_card_that_was_read_is_not_left_out(batch, make_cards):
    card = make_cards(1, CardStatus.COMPLETED)[0]
    with pytest.raises(changes.TransitionRefused):
        runs.skip(card, SkipReason.PERSON)


def test_the_sweeper_completes_a_batch_in_which_nothing_is_left(batch, make_cards):
    make_cards(1, CardStatus.FAILED)
    put(batch, BatchStatus.QUEUED)
    blocks.finish_cut_short()
    batch.refresh_from_db()
    assert batch.status == BatchStatus.COMPLETED
