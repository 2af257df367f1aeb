"""What people are told in the bell: by whom what is done, once, and not for ever."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from batches import changes, news
from batches.actions import bulk, choosing, failures, reviewing, runs, undoing
from batches.drain import sweeper
from batches.models import Batch, Card, News
from batches.queries import grid
from batches.states import BatchStatus, CardStatus, PauseReason, SkipReason
from cardocr_site.accounts.models import User
from tests.batches.drain.test_claims import make_worker
from tests.batches.reading import give_result, stored

Make = Callable[..., list[Card]]
Kind = News.Kind


@pytest.fixture(autouse=True)
def _no_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.tasks, "drain", lambda batch_id: None)


def told(user: User) -> list[tuple[str, str, int]]:
    return [(one.kind, one.cause, one.what["times"]) for one in News.objects.filter(user=user).order_by("pk")]


def hold(batch: Batch, reason: str) -> None:
    """Paused, and on again."""
    for to, why in ((BatchStatus.PAUSED, reason), (BatchStatus.QUEUED, "")):
        changes.move_batch(batch, to, pause_reason=why)


@pytest.fixture
def running(batch: Batch, make_cards: Make) -> Batch:
    make_cards(2)
    return changes.move_batch(batch, BatchStatus.QUEUED, started_at=timezone.now())


def test_the_owner_is_told_that_the_batch_is_finished(running: Batch, user: User, make_cards: Make) -> None:
    make_cards(3, CardStatus.FAILED)
    with changes.locked(running) as change:
        change.move_cards(running.cards.filter(status=CardStatus.PENDING), CardStatus.COMPLETED, to_check=True)
        change.finish_if_done(timezone.now())
    assert told(user) == [(Kind.FINISHED, "", 1)]
    assert News.objects.get().what == {"completed": 2, "to_check": 2, "failed": 3, "times": 1}


def test_who_leaves_the_last_cards_out_is_not_told_that_it_is_finished(
    running: Batch, user: User, administrator: User
) -> None:
    first, last = running.cards.order_by("pk")
    runs.skip(first, by=user)
    runs.skip(last, by=user)
    assert Batch.objects.get().status == BatchStatus.COMPLETED
    assert told(user) == []


def test_the_owner_is_told_when_somebody_else_ends_it(running: Batch, user: User, administrator: User) -> None:
    for card in running.cards.all():
        runs.skip(card, by=administrator)
    assert told(user) == [(Kind.FINISHED, "", 1)]
    assert told(administrator) == []


def test_a_pause_by_itself_is_told_with_its_cause_once_for_each(running: Batch, user: User) -> None:
    for reason in (PauseReason.ENDPOINT, PauseReason.BUDGET, PauseReason.ENDPOINT, PauseReason.CREDENTIALS):
        hold(running, reason)
    first = News.objects.get(cause=PauseReason.ENDPOINT)
    assert told(user) == [(Kind.PAUSED, "endpoint", 2), (Kind.PAUSED, "budget", 1), (Kind.PAUSED, "credentials", 1)]
    assert first.at > News.objects.get(cause=PauseReason.BUDGET).at, "its time is that of the last"


def test_a_key_refused_is_not_cards_that_must_stay_inside(running: Batch, user: User) -> None:
    running.engine.place = "outside"
    running.engine.save()
    Batch.objects.update(options={"stay_inside": True})
    hold(running, PauseReason.CREDENTIALS)
    assert told(user) == [(Kind.PAUSED, news.MUST_STAY_INSIDE, 1)]


def test_an_outage_that_was_seen_is_not_told_with_each_probe(running: Batch, user: User) -> None:
    hold(running, PauseReason.ENDPOINT)
    news.see(user)
    hold(running, PauseReason.ENDPOINT)
    assert News.objects.exclude(seen_at=None).count() == News.objects.count() == 1
    News.objects.update(at=timezone.now() - timedelta(hours=2))
    hold(running, PauseReason.ENDPOINT)
    assert News.objects.filter(seen_at=None).count() == 1, "this is another one"


def test_a_pause_by_a_person_is_not_told(running: Batch, user: User) -> None:
    runs.pause(running, user)
    assert told(user) == []


def test_a_flag_of_somebody_else_is_told_with_its_note(
    batch: Batch, make_cards: Make, user: User, administrator: User
) -> None:
    cards = make_cards(2, CardStatus.COMPLETED)
    for card in cards:
        give_result(card, {"author": stored("Grieg")})
    reviewing.flag(cards[0], user, "mine")
    assert told(user) == []
    reviewing.flag(cards[0], administrator, "Who is that?")
    one = News.objects.get()
    assert (one.user, one.by, one.what["note"], one.what["card"]) == (user, administrator, "Who is that?", cards[0].pk)
    reviewing.flag(cards[1], administrator, "And this?")
    assert told(user) == [(Kind.FLAGGED, "", 2)]


def test_a_message_of_an_administrator_rings(batch: Batch, user: User, administrator: User) -> None:
    assert failures.tell_owners([batch.pk], administrator, "Scan these again.") == 1
    assert told(user) == [(Kind.TOLD, "", 1)]


def test_a_batch_from_the_inbox_is_told_to_administrators(batch: Batch, user: User, administrator: User) -> None:
    User.objects.create_superuser("gone", is_active=False)
    news.from_inbox(batch)
    assert {one.user for one in News.objects.all()} == {user, administrator}


def test_all_at_once_by_a_person_is_not_told(running: Batch, user: User) -> None:
    bulk.go_on(bulk.begin(running, user, grid.Filters(), "skip"))
    assert Batch.objects.get().status == BatchStatus.COMPLETED
    assert told(user) == []


def test_taking_a_retry_back_is_told_to_the_owner_where_somebody_else_did_it(
    batch: Batch, make_cards: Make, user: User, administrator: User
) -> None:
    make_cards(2, CardStatus.FAILED)
    Batch.objects.update(status=BatchStatus.COMPLETED)
    for person, times in ((user, []), (administrator, [(Kind.FINISHED, "", 1)])):
        entry = bulk.begin(batch, administrator, grid.Filters(), "retry")
        assert Batch.objects.get().status == BatchStatus.QUEUED
        undoing.undo(entry, person)
        assert Batch.objects.get().status == BatchStatus.COMPLETED
        assert told(user) == times
    assert told(administrator) == []


def test_reading_the_rest_is_not_told_where_that_is_over_at_once(batch: Batch, make_cards: Make, user: User) -> None:
    left_out = make_cards(1, CardStatus.SKIPPED, skip_reason=SkipReason.NOT_CHOSEN, blank=True)
    Batch.objects.update(status=BatchStatus.COMPLETED, options={"pass_blank": True})
    assert choosing.read_rest(batch, by=user) == len(left_out)
    assert Batch.objects.get().status == BatchStatus.COMPLETED
    assert told(user) == []


def test_the_clean_up_forgets_old_ones(batch: Batch, user: User) -> None:
    old, new = (News.objects.create(user=user, batch=batch, kind=Kind.FINISHED) for _time in range(2))
    News.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=91))
    News.objects.filter(pk=new.pk).update(at=timezone.now() - timedelta(days=89))
    sweeper.Sweeper(make_worker("me")).sweep()
    assert list(News.objects.all()) == [new]


def test_seeing_marks_ones_own_alone(batch: Batch, user: User, other_user: User) -> None:
    for person in (user, other_user):
        News.objects.create(user=person, batch=batch, kind=Kind.FINISHED)
    news.see(user)
    assert [one.user for one in News.objects.filter(seen_at=None)] == [other_user]
