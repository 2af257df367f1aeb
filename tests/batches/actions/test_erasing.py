"""A card that is erased is gone: from the rows, from the files, and to the last byte from the database's file."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from batches import changes
from batches.actions import activity, drafts, erasing, runs
from batches.drain import erasing as cleaning
from batches.drain import filer
from batches.intake import adding, derive, moves, store
from batches.models import (
    Activity,
    Attempt,
    Batch,
    Card,
    CardScan,
    Draft,
    ErasedCard,
    FieldRevision,
    News,
    Note,
    Upload,
)
from batches.queries import grid
from batches.states import BatchStatus, CardStatus, UploadStatus
from cardocr_site.accounts.models import AuditEntry, IdempotentReply, User
from tests.batches.drain.test_claims import make_worker
from tests.batches.intake import pictures
from tests.batches.reading import give_result, stored

CANARY = "zqxjkanarienvogel"  # what stands on the card; so are its name and the machine's reply
Make = Callable[..., list[Card]]


def scanned(batch: Batch, name: str, size: tuple[int, int] = (300, 200)) -> Card:
    (card,) = adding.add_file(batch, name, [pictures.jpeg(size)], client_key=name).cards
    derive.prepare(card)
    return card


def read(card: Card, text: str) -> None:
    """As a run leaves it: a reading, the call that it came of, and its result files."""
    result = give_result(card, {"author": stored(text), "title": stored("Songs")}, transcription=f"{text} wrote Songs")
    Attempt.objects.create(
        card=card, result=result, engine_name="model", started_at=timezone.now(), raw_reply=f'{{"author": "{text}"}}'
    )
    with changes.locked(card.batch_id) as change:
        fresh = change.batch.cards.get(pk=card.pk)
        change.move_card(fresh, CardStatus.PROCESSING)
        change.move_card(fresh, CardStatus.COMPLETED, finished_at=timezone.now(), to_check=True, files_due=True)
        change.finish_if_done(timezone.now())


@pytest.fixture
def cards(batch: Batch) -> list[Card]:
    """Three of a batch that was read; on the second one stands the canary."""
    made = [scanned(batch, f"card {name}.jpg", (300 + n, 200)) for n, name in enumerate(("1", f"2 {CANARY}", "3"))]
    runs.start(batch, batch.owner)
    moves.settle(batch)
    for card, text in zip(made, ("Grieg", CANARY, "Svendsen"), strict=True):
        read(card, text)
    filer.file_due()
    return list(Card.objects.select_related("batch").order_by("position"))


def counters() -> dict[str, int]:
    batch = Batch.objects.get()
    return {name: getattr(batch, name) for name in ("total", "completed", "to_check", "pending", "version")}


def below(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


@pytest.mark.django_db
def test_a_tombstone_stays_and_the_counters_are_right(cards: list[Card], user: User):
    before = counters()
    erased = erasing.erase(cards[1], user)
    assert erased is not None
    assert (erased.card_id, erased.position, erased.by) == (cards[1].pk, 2, user)
    assert counters() == before | {"total": 2, "completed": 2, "to_check": 2, "version": before["version"] + 1}
    assert Batch.objects.get().reload_after == before["version"] + 1
    assert list(Card.objects.order_by("pk").values_list("position", flat=True)) == [1, 3]
    entry = Activity.objects.get(kind="erase_card")
    assert (entry.what, entry.by) == ({"position": 2, "erased": cards[1].pk}, user)
    told = AuditEntry.objects.get(act="erase_card")
    assert (told.object_id, told.details) == (
        str(cards[1].batch_id),
        {"position": "2", "erased": str(cards[1].pk)},
    )


@pytest.mark.django_db
def test_twice_is_once(cards: list[Card], user: User):
    erasing.erase(cards[1], user)
    before = counters()
    assert erasing.erase(cards[1], user) is None
    assert (counters(), ErasedCard.objects.count()) == (before, 1)


@pytest.mark.django_db(transaction=True)
def test_in_a_draft_taking_a_scan_out_leaves_its_name_and_erasing_leaves_none(batch: Batch, user: User):
    out, erased = scanned(batch, f"out {CANARY}.jpg"), scanned(batch, f"erased {CANARY}.jpg", (200, 200))
    for card in (out, erased):
        card.upload = Upload.objects.create(batch=batch, name=card.original_name, status=UploadStatus.DONE)
        card.save()
    drafts.remove_cards(batch, [out], user)
    erasing.erase(erased, user)
    assert below(store.folder(batch)) == []
    assert [upload.name for upload in Upload.objects.all()] == [f"out {CANARY}.jpg"]


@pytest.mark.django_db
def test_not_while_it_is_being_read(batch: Batch, make_cards: Make, user: User):
    waiting, claimed, called = make_cards(3)
    runs.start(batch, user)
    Card.objects.filter(pk__in=[claimed.pk, called.pk]).update(worker=make_worker("me"))
    changes.move_cards(batch, Card.objects.filter(pk=called.pk), CardStatus.PROCESSING)
    for card in (claimed, called):
        with pytest.raises(erasing.BeingRead):
            erasing.erase(card, user)
    assert erasing.erase(waiting, user)
    assert Card.objects.count() == 2


@pytest.mark.django_db
def test_the_last_card_that_waited_ends_the_run(batch: Batch, make_cards: Make, user: User):
    done, waiting = make_cards(2)
    runs.start(batch, user)
    changes.move_cards(batch, Card.objects.filter(pk=done.pk), CardStatus.PROCESSING)
    changes.move_cards(batch, Card.objects.filter(pk=done.pk), CardStatus.COMPLETED)
    erasing.erase(waiting, user)
    assert Batch.objects.get().status == BatchStatus.COMPLETED


@pytest.mark.django_db(transaction=True)
def test_a_file_that_other_cards_need_stays(batch: Batch, user: User):
    pages = adding.add_file(batch, "pages.tif", [pictures.tiff([(60, 40), (30, 80)])], client_key="k").cards
    upload = Upload.objects.create(batch=batch, name="pages.tif", status=UploadStatus.DONE, cards_made=2)
    Card.objects.update(upload=upload)
    erasing.erase(pages[0], user)
    assert store.find(Card.objects.get()).is_file()
    assert Upload.objects.get().cards_made == 1
    erasing.erase(pages[1], user)
    assert not Upload.objects.exists()
    assert below(store.folder(Batch.objects.get())) == []


@pytest.mark.django_db(transaction=True)
def test_files_that_a_crash_has_left_are_deleted_by_the_sweeper(
    cards: list[Card], user: User, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patched:
        patched.setattr(cleaning, "delete_files", lambda erased: None)
        erasing.erase(cards[1], user)
    assert any(CANARY in path for path in below(settings.DATA_DIR))
    assert cleaning.clean(timezone.now() + timedelta(seconds=20)) == 0, "something may still be written"
    assert cleaning.clean(timezone.now() + timedelta(minutes=1)) == 1
    assert not any(CANARY in path for path in below(settings.DATA_DIR))
    assert ErasedCard.objects.get().files == {}


@pytest.mark.django_db(transaction=True)
def test_what_came_under_its_name_since_stays(batch: Batch, user: User):
    card = scanned(batch, "card.jpg")
    erasing.erase(card, user)
    again = scanned(batch, "card.jpg")
    assert again.filename == card.filename
    before = below(store.folder(batch))
    cleaning.clean(timezone.now() + timedelta(minutes=1))
    assert below(store.folder(batch)) == before


@pytest.mark.django_db(transaction=True)
def test_a_canary_is_found_nowhere(cards: list[Card], user: User, other_user: User):
    batch, card = cards[1].batch, cards[1]
    Card.objects.filter(pk=card.pk).update(error_message=CANARY, codes=[{"kind": "QR", "text": CANARY}])
    Draft.objects.create(card=card, user=user, values={"author": ["", CANARY]}, at=timezone.now())
    Note.objects.create(card=card, text=CANARY, by=other_user)
    FieldRevision.objects.create(card=card, key="author", old="x", new=CANARY, by=user)
    News.objects.create(user=user, batch=batch, kind="flagged", what={"card": card.pk, "note": CANARY})
    CardScan.objects.create(card=card, role=CardScan.Role.EARLIER, **card.as_scan())
    upload = Upload.objects.create(batch=batch, name=f"card 2 {CANARY}.jpg", status=UploadStatus.DONE, cards_made=1)
    Card.objects.filter(pk=card.pk).update(upload=upload)
    sent_again = Upload.objects.create(
        batch=batch, name=f"{CANARY} 2.jpg", status=UploadStatus.DUPLICATE, sha256=card.sha256, message=CANARY
    )
    part = store.part()
    part.write_bytes(CANARY.encode())
    store.hold(sent_again, part)
    part.unlink()
    activity.record(batch, user, "flag", **activity.about(card))
    activity.record(batch, user, "add_scans", name=f"card 2 {CANARY}.jpg")
    IdempotentReply.objects.create(user=user, key="k", request="r", status=200, body=f"card 2 {CANARY}.jpg")
    copy = settings.DATA_DIR / "backups" / "before-0.1.sqlite3"  # as an upgrade keeps it
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(CANARY.encode())
    assert holding() >= {"database", "files"}

    erasing.erase(card, user)
    assert cleaning.clean(timezone.now() + timedelta(minutes=1)) == 1
    assert holding() == set()
    for other in (cards[0], cards[2]):
        assert store.find(other).is_file()
    assert Card.objects.filter(result__search__contains="grieg").exists()
    assert grid.ids(batch, grid.Filters(text="grieg"), 0, None) == [cards[0].pk]


def stands_in_a_row() -> bool:
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        looks = (f'EXISTS (SELECT 1 FROM "{table}" t WHERE t::text ILIKE %s)' for table in tables)
        cursor.execute(f"SELECT {' OR '.join(looks)}", [f"%{CANARY[1:]}%"] * len(tables))
        return bool(cursor.fetchone()[0])


def holding() -> set[str]:
    """Where the canary is found, in whatever letters; in names of files, too."""
    found = {"database"} if connection.vendor == "postgresql" and stands_in_a_row() else set()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
    database = Path(connection.settings_dict["NAME"])
    for path in settings.DATA_DIR.rglob("*"):
        mine = path.name.startswith(database.name)
        if CANARY in path.name or (path.is_file() and CANARY[1:].encode() in path.read_bytes().lower()):
            found.add("database" if mine else "files")
    return found
