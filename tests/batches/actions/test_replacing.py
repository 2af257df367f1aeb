from collections.abc import Callable

import pytest
from django.utils import timezone

from batches import changes
from batches.actions import pairs, replacing, runs
from batches.drain import claims, filer
from batches.intake import adding, derive, moves, store, strays
from batches.intake.receiving import Refused
from batches.models import Batch, Card, CardScan, Likeness, Upload
from batches.states import BatchStatus, CardStatus, SkipReason
from cardocr_site.accounts.models import User
from tests.batches.drain.test_claims import make_worker
from tests.batches.intake import pictures
from tests.batches.reading import give_result, stored

OLD, NEW = pictures.jpeg((300, 200)), pictures.jpeg((400, 260))


@pytest.fixture
def card(batch: Batch) -> Card:
    """Of a batch that was read; failed."""
    batch.options = {"rotation": 0}
    batch.save()
    (card,) = adding.add_file(batch, "card 7.jpg", [OLD], client_key="key").cards
    derive.prepare(card)
    runs.start(batch, batch.owner)
    moves.settle(batch)
    become(card, CardStatus.FAILED, error="engine_failed")
    return Card.objects.select_related("batch").get()


def become(card: Card, status: CardStatus, **columns: object) -> None:
    with changes.locked(card.batch_id) as change:
        fresh = change.batch.cards.get(pk=card.pk)
        if status != CardStatus.SKIPPED:
            change.move_card(fresh, CardStatus.PROCESSING)
        change.move_card(fresh, status, finished_at=timezone.now(), **columns)
        change.finish_if_done(timezone.now())


def replace(card: Card, data: bytes = NEW, name: str = "better.jpg", **options: bool) -> Card:
    replacing.replace(card, card.batch.owner, name, [data], **options)
    return Card.objects.select_related("batch", "back").get(pk=card.pk)


def test_the_card_has_the_new_bytes_and_keeps_its_name(card: Card) -> None:
    after = replace(card)
    assert store.find(after).read_bytes() == NEW
    assert (after.source, after.filename, after.display_name) == ("better.jpg", "card-7.jpg", "card 7.jpg")
    assert (after.width, after.height, after.edition) == (400, 260, 2)
    assert after.prepared_at is None
    assert after.version == Batch.objects.get().version > card.version
    derive.prepare(after)
    assert after.prepared_at is not None
    assert derive.prepared(after, full_resolution=True, max_px=1600).width == 400


def test_the_old_scan_stays_in_the_history(card: Card, user: User) -> None:
    replace(card)
    earlier = CardScan.objects.get()
    assert (earlier.role, earlier.by, earlier.card_id) == (CardScan.Role.EARLIER, user, card.pk)
    assert store.find(earlier).read_bytes() == OLD
    assert store.derived(earlier, "thumb").is_file()
    assert list(strays.files()) == []
    assert list(strays.missing()) == []


def test_an_image_among_the_errors_comes_back_and_the_new_one_lies_there(
    card: Card, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    moves.place(card)
    assert store.find(card).parent.name == store.ERRORS
    with django_capture_on_commit_callbacks(execute=True):
        after = replace(card)
    filer.file_due(card.batch_id)
    assert store.find(CardScan.objects.get()).parent == store.folder(card.batch)
    assert store.find(after).parent.name == store.ERRORS


def test_a_failed_card_is_read_again_with_it(card: Card) -> None:
    after = replace(card)
    assert after.status == CardStatus.FAILED  # nothing is read that nobody asked for
    runs.retry_card(after)
    worker = make_worker("one")
    assert claims.take(card.batch_id, worker, 5) == []  # not before it is prepared
    derive.prepare(Card.objects.select_related("batch").get())
    (taken,) = claims.take(card.batch_id, worker, 5)
    assert derive.prepared(taken, full_resolution=False, max_px=1600).width == 400


def test_values_stay_until_a_person_decides(card: Card, user: User) -> None:
    become_read(card)
    after = replace(card)
    assert (after.status, after.reviewed) == (CardStatus.COMPLETED, True)
    assert after.result is not None
    assert after.result.values["author"] == "Grieg"


def become_read(card: Card) -> None:
    runs.retry_card(card)
    result = give_result(card, {"author": stored("Grieg")})
    become(card, CardStatus.COMPLETED, result=result, reviewed=True)


def test_what_was_known_of_the_old_picture_is_forgotten(card: Card) -> None:
    Card.objects.update(codes=[{"kind": "EAN13", "text": "1"}], blank=True, rotation=180)
    assert Likeness.objects.filter(card=card).exists()
    after = replace(card)
    assert (after.codes, after.blank, after.phash, after.rotation) == ([], None, None, 0)
    assert not Likeness.objects.filter(card=card).exists()
    assert after.look != card.look


def test_a_blank_scan_is_replaced_and_read_after_all(batch: Batch) -> None:
    batch.options = {"rotation": 0}
    batch.save()
    (card,) = adding.add_file(batch, "1.jpg", [OLD]).cards
    runs.skip(card, SkipReason.BLANK)
    after = replace(card)
    assert after.status == CardStatus.SKIPPED


def test_replaced_twice_both_are_kept(card: Card) -> None:
    replace(card)
    after = replace(card, OLD, "better.jpg")  # the first scan again
    assert (after.edition, after.source) == (3, "better-2.jpg")
    assert [scan.edition for scan in CardScan.objects.order_by("edition")] == [1, 2]


def test_a_page_gets_a_file_of_its_own_and_the_others_keep_theirs(batch: Batch) -> None:
    first, second = adding.add_file(batch, "two.tif", [pictures.tiff([(300, 200), (310, 200)])], client_key="k").cards
    for card in (first, second):
        replace(card)
    assert [(one.page, one.display_name) for one in batch.cards.order_by("pk")] == [(0, "two.tif#1"), (0, "two.tif#2")]
    assert adding.add_file(batch, "two.tif", [b""], client_key="k").cards == [first, second]


def test_the_file_that_was_sent_counts_its_card_still(
    batch: Batch, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    upload = Upload.objects.create(batch=batch, name="1.jpg", cards_made=1)
    (card,) = adding.add_file(batch, "1.jpg", [OLD]).cards
    Card.objects.update(upload=upload)
    after = replace(card)
    with django_capture_on_commit_callbacks(execute=True):
        adding.remove([after])
    upload.refresh_from_db()
    assert upload.cards_made == 0
    assert store.scans(batch) == []


def test_the_back_is_replaced_alone(batch: Batch) -> None:
    batch.options = {"rotation": 0}
    batch.save()
    for name, width in (("1.jpg", 300), ("2.jpg", 310)):
        derive.prepare(adding.add_file(batch, name, [pictures.jpeg((width, 200))]).cards[0])
    pairs.apply(batch, "order")
    after = replace(batch.cards.select_related("batch").get(), back=True)
    assert [scan.width for scan in after.sides] == [300, 400]
    derive.prepare(after)
    image = derive.prepared(after, full_resolution=False, max_px=1600)
    assert image.back is not None
    assert (image.width, image.back.width) == (300, 400)
    with pytest.raises(Refused):
        replacing.replace(adding.add_file(batch, "3.jpg", [OLD]).cards[0], batch.owner, "x.jpg", [NEW], back=True)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "FILE_TYPE_INVALID"),
        (b"no image at all", "FILE_TYPE_INVALID"),
        (pictures.tiff([(300, 200), (300, 200)]), "VALIDATION_ERROR"),
        (OLD, "VALIDATION_ERROR"),
        (pictures.png_bomb(), "FILE_TOO_LARGE"),
    ],
)
def test_what_is_no_scan_of_a_card_is_refused_and_changes_nothing(card: Card, data: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        replace(card, data)
    assert refused.value.code == code
    assert Card.objects.get().edition == 1
    assert not CardScan.objects.exists()
    assert [path.name for path in store.scans(card.batch)] == ["card-7.jpg"]
    assert store.parts() == []


def test_a_card_that_is_being_read_is_left_alone(card: Card) -> None:
    runs.retry_card(card)
    claims.take(card.batch_id, make_worker("one"), 5)
    with pytest.raises(Refused):
        replace(card)


def test_nothing_is_replaced_in_the_trash(card: Card) -> None:
    Batch.objects.update(deleted_at=timezone.now(), status=BatchStatus.COMPLETED)
    with pytest.raises(Refused):
        replace(card)


def test_a_save_that_fails_leaves_no_file(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(change: changes.Change) -> None:
        raise RuntimeError("the database is gone")

    monkeypatch.setattr(changes.Change, "write", fail)
    with pytest.raises(RuntimeError):
        replace(card)
    assert [path.name for path in store.scans(card.batch)] == ["card-7.jpg"]


@pytest.mark.django_db(transaction=True)
def test_a_new_scan_stays_though_the_old_one_cannot_be_moved(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(scan: CardScan) -> None:
        raise PermissionError("another program holds it")

    (card,) = adding.add_file(batch, "1.jpg", [OLD]).cards
    monkeypatch.setattr(moves, "bring_back", fail)
    assert store.find(replace(card)).read_bytes() == NEW
