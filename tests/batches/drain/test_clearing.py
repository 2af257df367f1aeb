"""What is old goes only as the preview saw it, in steps that a kill may cut anywhere."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from batches import changes
from batches.actions import clearing as clearings
from batches.actions import trash
from batches.drain import clearing as drain
from batches.intake import adding, store
from batches.models import (
    Attempt,
    Batch,
    Card,
    CardResult,
    Clearing,
    ClearingItem,
    FieldRevision,
    Lease,
    News,
    Rereading,
    TryCard,
    TryOut,
    Upload,
)
from batches.queries import old
from batches.states import BatchStatus, CardStatus, ResultState, UploadStatus
from cardocr_site.accounts.models import AccessToken, AuditEntry, User
from tests.conftest import image_bytes

pytestmark = pytest.mark.django_db

Kind, State = Clearing.Kind, ClearingItem.State
LONG_AGO = timedelta(days=1000)


def aged(batch: Batch, **fields: Any) -> Batch:
    """As if nobody had touched it for years."""
    Batch.objects.filter(pk=batch.pk).update(changed_at=timezone.now() - LONG_AGO, **fields)
    return Batch.objects.get(pk=batch.pk)


@pytest.fixture
def finished(batch: Batch, make_cards: Callable[..., list[Card]]) -> Batch:
    make_cards(3, CardStatus.COMPLETED)
    return aged(batch, status=BatchStatus.COMPLETED, label="Drawer-12_2023")


@pytest.fixture
def with_files(user: User, engine: Any) -> Batch:
    batch = Batch.objects.create(name="Drawer 13", owner=user, engine=engine)
    for n in range(3):
        adding.add_file(batch, f"{n}.jpg", [image_bytes((80, 60), colour=(n, 0, 0))])
    return aged(batch)


def confirmed(kind: str, by: User, months: int = 12) -> Clearing:
    clearing = clearings.preview(kind, months, by)
    clearings.confirm(clearing, by, str(clearings.to_type(clearing)), clearings.fingerprint(clearing))
    return clearing


def states(clearing: Clearing) -> list[tuple[str, str]]:
    return list(clearing.items.order_by("pk").values_list("state", "why"))


def test_a_preview_counts_exactly_and_deletes_nothing(with_files: Batch, administrator: User):
    files = [path for path in store.folder(with_files).rglob("*") if path.is_file()]
    clearing = clearings.preview(Kind.DRAFTS, 12, administrator)
    told = clearings.totals(clearing)
    assert (told["batches"], told["cards"], told["number"]) == (1, 3, 3)
    assert told["bytes"] == sum(path.stat().st_size for path in files) > 0
    drain.go_on()
    assert Batch.objects.filter(pk=with_files.pk, deleted_at=None).exists()
    assert all(path.exists() for path in files)


def test_what_is_confirmed_goes_with_its_files_and_a_tombstone_stays(
    with_files: Batch, finished: Batch, administrator: User
):
    folder = store.folder(with_files)
    clearing = confirmed(Kind.DRAFTS, administrator)
    drain.go_on()
    assert not Batch.objects.filter(pk=with_files.pk).exists()
    assert not folder.exists()
    assert Batch.objects.filter(pk=finished.pk, deleted_at=None).exists(), "it is of another kind"
    clearing.refresh_from_db()
    assert clearing.finished_at is not None
    assert states(clearing) == [(State.DONE, "")]
    stone = AuditEntry.objects.get(act="erase_batch")
    assert (stone.actor, stone.object_id, stone.object_name) == (administrator.pk, str(with_files.pk), "Drawer 13")
    assert (stone.details["cards"], stone.details["uid"]) == (3, with_files.uid)
    assert AuditEntry.objects.get(act="clearing").details == {"which": "drafts", "cards": 3, "number": 3}
    ended = AuditEntry.objects.get(act="cleared").details
    assert ended == {"which": "drafts", "cards": 3, "number": 3, "left": 0}
    drain.go_on()
    assert AuditEntry.objects.filter(act="cleared").count() == 1


def test_what_somebody_has_changed_since_the_preview_is_left_and_told(finished: Batch, administrator: User):
    clearing = clearings.preview(Kind.FINISHED, 12, administrator)
    assert clearings.changed(clearing) == []
    with changes.locked(finished) as change:
        change.set(name="Drawer 12, not to be thrown away")
    assert [item.batch for item in clearings.changed(clearing)] == [finished.pk]
    clearings.confirm(clearing, administrator, "3", clearings.fingerprint(clearing))
    drain.go_on()
    assert Batch.objects.filter(pk=finished.pk, deleted_at=None, going=False).exists()
    assert states(clearing) == [(State.LEFT, drain.CHANGED)]
    assert AuditEntry.objects.get(act="cleared").details["left"] == 1


def test_what_went_otherwise_is_told(finished: Batch, administrator: User):
    clearing = confirmed(Kind.FINISHED, administrator)
    trash.delete(finished, administrator)
    trash.erase(finished, administrator)
    drain.go_on()
    assert states(clearing) == [(State.LEFT, drain.GONE)]


BUSY: dict[str, Callable[[Batch, User], object]] = {
    "somebody checks a card": lambda batch, user: Lease.objects.create(
        batch=batch, card=batch.cards.first(), user=user, until=timezone.now() + timedelta(minutes=1)
    ),
    "a file is being received": lambda batch, user: Upload.objects.create(batch=batch, status=UploadStatus.RECEIVING),
    "a file is being opened": lambda batch, user: Upload.objects.create(batch=batch, status=UploadStatus.OPENING),
    "a card is being tried": lambda batch, user: TryCard.objects.create(
        tryout=TryOut.objects.create(batch=batch, asked_by=user), card=batch.cards.first()
    ),
    "it is being read": lambda batch, user: Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING),
    "it waits": lambda batch, user: Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.QUEUED),
    "it is paused": lambda batch, user: Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.PAUSED),
    "cards wait": lambda batch, user: Batch.objects.filter(pk=batch.pk).update(pending=1),
    "it is read again": lambda batch, user: Batch.objects.filter(pk=batch.pk).update(
        rereading=Rereading.objects.create(batch=batch, engine=batch.engine)
    ),
}


@pytest.mark.parametrize("kind", [Kind.FINISHED, Kind.REPLIES, Kind.READINGS])
@pytest.mark.parametrize("what", BUSY)
def test_what_somebody_is_at_is_not_listed_and_stays(finished: Batch, administrator: User, what: str, kind: str):
    with_old_readings(finished)
    assert old.batches(kind, clearings.since(12)).count() == 1
    clearing = confirmed(kind, administrator)
    BUSY[what](finished, administrator)
    assert old.batches(kind, clearings.since(12)).count() == 0
    drain.go_on()
    assert states(clearing) == [(State.LEFT, drain.BUSY)]
    assert (Card.objects.count(), Attempt.objects.exclude(raw_reply="").count()) == (3, 2)


def test_drafts_that_are_filled_stay(with_files: Batch, administrator: User):
    clearing = confirmed(Kind.DRAFTS, administrator)
    Upload.objects.create(batch=with_files, status=UploadStatus.RECEIVING)
    drain.go_on()
    assert states(clearing) == [(State.LEFT, drain.BUSY)]
    assert store.folder(with_files).is_dir()


def with_old_readings(batch: Batch) -> list[CardResult]:
    """On its first card: one reading that holds, and one for each other state, all of long ago; two raw replies."""
    card = batch.cards.order_by("pk").first()
    assert card is not None
    made = [CardResult.objects.create(card=card, state=state, transcription="é") for state in ResultState]
    Card.objects.filter(pk=card.pk).update(result=made[0])
    for result in made[:2]:
        Attempt.objects.create(
            card=card, result=result, started_at=timezone.now() - LONG_AGO, engine_name="gpu", raw_reply="{é}"
        )
    Attempt.objects.create(card=card, started_at=timezone.now(), engine_name="gpu", raw_reply="new")
    CardResult.objects.update(created_at=timezone.now() - LONG_AGO)
    Attempt.objects.filter(raw_reply="new").update(raw_reply="")
    return made


def test_raw_replies_go_and_readings_stay(finished: Batch, administrator: User):
    with_old_readings(finished)
    new = Attempt.objects.create(
        card=finished.cards.last(), started_at=timezone.now(), engine_name="gpu", raw_reply="of today"
    )
    clearing = confirmed(Kind.REPLIES, administrator)
    assert {**clearings.totals(clearing), "done": 0} == {"cards": 1, "number": 2, "bytes": 8, "done": 0, "batches": 1}
    drain.go_on()
    assert [attempt.raw_reply for attempt in Attempt.objects.exclude(raw_reply="")] == ["of today"]
    assert (Attempt.objects.count(), CardResult.objects.count()) == (4, len(ResultState))
    assert new.pk
    assert states(clearing) == [(State.DONE, "")]


def test_of_readings_only_what_was_replaced_goes(finished: Batch, administrator: User):
    with_old_readings(finished)
    FieldRevision.objects.create(card=finished.cards.first(), key="author", old="a", new="b")
    clearing = confirmed(Kind.READINGS, administrator)
    drain.go_on()
    left = set(CardResult.objects.values_list("state", flat=True))
    assert left == set(ResultState) - {ResultState.EARLIER, ResultState.EQUAL, ResultState.REJECTED}
    assert ResultState.CANDIDATE in left, "a person has still to decide"
    assert FieldRevision.objects.count() == 1
    assert clearings.totals(clearing)["done"] == 3
    assert Card.objects.exclude(result=None).count() == 1


def test_leftovers_go_and_what_is_in_use_stays(client: Any, batch: Batch, user: User, administrator: User):
    client.force_login(user)
    past = timezone.now() - LONG_AGO
    AccessToken.objects.create(user=user, kind="script", key="a", expires_at=past)
    AccessToken.objects.create(user=user, kind="script", key="b", expires_at=None)
    AccessToken.objects.create(user=user, kind="script", key="c", expires_at=timezone.now() + timedelta(days=1))
    News.objects.create(user=user, batch=batch, kind=News.Kind.FINISHED, seen_at=past)
    News.objects.create(user=user, batch=batch, kind=News.Kind.FINISHED, at=past)
    clearing = confirmed(Kind.LEFTOVERS, administrator)
    assert clearings.to_type(clearing) == 2
    drain.go_on()
    assert sorted(AccessToken.objects.values_list("key", flat=True)) == ["b", "c"]
    assert News.objects.get().seen_at is None
    assert client.get("/batches/").status_code == 200


class Killed(BaseException):
    """As a kill: nothing after it runs."""


# Where the process dies, and in which state its item is then.
CUTS = {
    "before it begins": ("_begin", State.WAITING),
    "between two blocks": ("_count", State.BEGUN),
    "before the last row": ("audit.record", State.BEGUN),
    "before the files": ("store.erase", State.ROWS_GONE),
    "before the end": ("_finish", State.DONE),
}


@pytest.mark.parametrize("cut", CUTS)
def test_whoever_comes_after_a_kill_goes_on(
    with_files: Batch, administrator: User, monkeypatch: pytest.MonkeyPatch, cut: str
):
    monkeypatch.setattr(drain, "BLOCK", 1)
    folder = store.folder(with_files)
    clearing = confirmed(Kind.DRAFTS, administrator)
    name, state = CUTS[cut]
    calls = 0

    def killed(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if cut == "between two blocks" and calls == 1:
            return counted(*given)
        raise Killed

    counted = drain._count
    with monkeypatch.context() as patched:
        owner, _dot, member = name.rpartition(".")
        patched.setattr(getattr(drain, owner) if owner else drain, member, killed)
        with pytest.raises(Killed):
            drain.go_on()
    assert clearing.items.get().state == state
    if state not in (State.WAITING, State.ROWS_GONE, State.DONE):
        gone = Batch.objects.get(pk=with_files.pk)
        trash.restore(gone, administrator)
        assert Batch.objects.get(pk=with_files.pk).deleted_at is not None, "half of it is no batch"
        assert not Batch.objects.deleted_of(administrator).exists()
    assert folder.exists() is (state != State.DONE)
    drain.go_on()
    assert not Batch.objects.filter(pk=with_files.pk).exists()
    assert not folder.exists()
    assert states(clearing) == [(State.DONE, "")]
    assert clearing.items.get().done == 3
    assert AuditEntry.objects.filter(act="erase_batch").count() == 1
    assert AuditEntry.objects.filter(act="cleared").count() == 1


def test_a_stop_leaves_the_rest_for_later(with_files: Batch, administrator: User, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drain, "BLOCK", 1)
    clearing = confirmed(Kind.DRAFTS, administrator)
    asked = iter([False, True])
    drain.go_on(lambda: next(asked, True))
    assert (clearing.items.get().done, Card.objects.count()) == (1, 2)
    drain.go_on()
    assert Card.objects.count() == 0


def test_a_storage_that_is_away_is_tried_again(with_files: Batch, administrator: User, monkeypatch: pytest.MonkeyPatch):
    clearing = confirmed(Kind.DRAFTS, administrator)

    def away(batch: Batch) -> None:
        raise OSError("not mounted")

    with monkeypatch.context() as patched:
        patched.setattr(store, "erase", away)
        drain.go_on()
    assert states(clearing) == [(State.ROWS_GONE, "")]
    drain.go_on()
    assert states(clearing) == [(State.DONE, "")]


def test_a_folder_that_cannot_be_deleted_holds_up_no_other(
    with_files: Batch, user: User, administrator: User, monkeypatch: pytest.MonkeyPatch
):
    other = aged(Batch.objects.create(name="Drawer 14", owner=user))
    clearing = confirmed(Kind.DRAFTS, administrator)
    erase = store.erase

    def denied(batch: Batch) -> None:
        if batch.pk == with_files.pk:
            raise PermissionError("it belongs to somebody else")
        erase(batch)

    with monkeypatch.context() as patched:
        patched.setattr(store, "erase", denied)
        drain.go_on()
    assert states(clearing) == [(State.ROWS_GONE, ""), (State.DONE, "")]
    assert not Batch.objects.filter(pk=other.pk).exists()
    drain.go_on()
    assert states(clearing) == [(State.DONE, "")] * 2
    assert Clearing.objects.get().finished_at is not None


def test_a_batch_that_was_erased_by_hand_half_way_holds_up_nothing(
    finished: Batch, with_files: Batch, administrator: User, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(drain, "BLOCK", 1)
    with_old_readings(finished)
    clearing = confirmed(Kind.REPLIES, administrator)
    asked = iter([False, True])
    drain.go_on(lambda: next(asked, True))
    assert states(clearing) == [(State.BEGUN, "")]
    finished.delete()
    later = confirmed(Kind.DRAFTS, administrator)
    drain.go_on()
    assert states(clearing) == [(State.DONE, drain.GONE)]
    assert states(later) == [(State.DONE, "")]


def test_only_the_right_number_of_the_right_preview_deletes(finished: Batch, administrator: User):
    clearing = clearings.preview(Kind.FINISHED, 12, administrator)
    seen = clearings.fingerprint(clearing)
    for typed, told in (("4", seen), ("", seen), ("3", "0" * 16)):
        with pytest.raises(clearings.Refused):
            clearings.confirm(clearing, administrator, typed, told)
    Clearing.objects.update(made_at=timezone.now() - timedelta(hours=25))
    with pytest.raises(clearings.Refused, match="older than a day"):
        clearings.confirm(clearing, administrator, "3", seen)
    drain.go_on()
    assert Batch.objects.filter(pk=finished.pk, deleted_at=None).exists()
    clearings.preview(Kind.FINISHED, 12, administrator)
    assert Clearing.objects.count() == 1, "old previews are forgotten"


def test_an_empty_preview_cannot_be_confirmed(administrator: User):
    clearing = clearings.preview(Kind.FINISHED, 12, administrator)
    with pytest.raises(clearings.Refused, match="nothing to delete"):
        clearings.confirm(clearing, administrator, "0", clearings.fingerprint(clearing))


@pytest.mark.parametrize(("kind", "months"), [("everything", 12), (Kind.TRASH, 0), (Kind.TRASH, 601)])
def test_no_preview_of_nonsense(administrator: User, kind: str, months: int):
    with pytest.raises(clearings.Refused):
        clearings.preview(kind, months, administrator)


def test_what_lies_in_the_trash_long_enough(finished: Batch, administrator: User):
    trash.delete(finished, administrator)
    assert old.batches(Kind.TRASH, clearings.since(12)).count() == 0
    Batch.objects.update(deleted_at=timezone.now() - LONG_AGO)
    confirmed(Kind.TRASH, administrator)
    drain.go_on()
    assert not Batch.objects.exists()


def test_what_was_put_back_from_the_trash_stays(finished: Batch, administrator: User):
    trash.delete(finished, administrator)
    Batch.objects.update(deleted_at=timezone.now() - LONG_AGO)
    clearing = confirmed(Kind.TRASH, administrator)
    trash.restore(finished, administrator)
    drain.go_on()
    assert states(clearing) == [(State.LEFT, drain.CHANGED)]
    assert Batch.objects.filter(deleted_at=None).count() == 1
