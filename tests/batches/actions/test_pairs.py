from collections.abc import Callable

import pytest
from django.utils import timezone

from batches.actions import drafts, pairs, replacing, runs, scans, turning
from batches.intake import adding, derive, order, store
from batches.models import Batch, Card, CardScan, Upload
from batches.states import CardStatus, SkipReason, TurnedBy
from tests.batches.intake import papers, pictures

Make = Callable[..., list[Card]]

OPTIONS = {"rotation": 0, "pass_blank": True, "trim": False, "straighten": False}


@pytest.fixture
def named(batch: Batch, make_cards: Make) -> Callable[..., None]:
    """Prepared cards of these names, in this order."""

    def name(*names: str) -> None:
        for card, one in zip(make_cards(len(names), prepared_at=timezone.now()), names, strict=True):
            card.original_name = card.filename = card.source = one
            card.save()

    return name


@pytest.fixture
def scanned(batch: Batch) -> Callable[..., None]:
    def scan(*names: str) -> None:
        batch.options = {"rotation": 0}
        batch.save()
        for n, name in enumerate(names):
            derive.prepare(adding.add_file(batch, name, [pictures.jpeg((300 + n, 200))]).cards[0])

    return scan


def told(plan: pairs.Plan) -> tuple[list[tuple[str, str]], list[str]]:
    return [(one.original_name, other.original_name) for one, other in plan.pairs], [
        card.original_name for card in plan.odd
    ]


def sides(batch: Batch) -> list[tuple[str, str | None]]:
    cards = batch.cards.select_related("back").order_by("position")
    return [(card.original_name, card.back.original_name if card.back else None) for card in cards]


def test_by_order_each_second_is_a_back_and_the_odd_one_is_told(batch: Batch, named: Callable[..., None]) -> None:
    named("1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg")
    assert told(pairs.plan(batch, "order")) == ([("1.jpg", "2.jpg"), ("3.jpg", "4.jpg")], ["5.jpg"])


@pytest.mark.parametrize(
    ("front", "back", "names", "paired", "odd"),
    [
        ("_r", "_v", ["7_r.jpg", "7_v.tif", "8_r.jpg", "9.jpg"], [("7_r.jpg", "7_v.tif")], ["8_r.jpg", "9.jpg"]),
        ("-front", "-back", ["x-back.png", "x-FRONT.png"], [("x-FRONT.png", "x-back.png")], []),
        ("a", "b", ["12a.jpg", "12b.jpg", "a.jpg", "b.jpg"], [("12a.jpg", "12b.jpg")], ["a.jpg", "b.jpg"]),
        ("", "_back", ["1.jpg", "1_back.jpg", "2.jpg"], [("1.jpg", "1_back.jpg")], ["2.jpg"]),
        ("_r", "_v", ["A/1_r.jpg", "B/1_v.jpg"], [], ["A/1_r.jpg", "B/1_v.jpg"]),
        ("_r", "_v", ["1_r.jpg", "1_r.png", "1_v.jpg"], [("1_r.jpg", "1_v.jpg")], ["1_r.png"]),
        ("_r", "", ["1_r.jpg", "1.jpg"], [], ["1_r.jpg", "1.jpg"]),
        ("_r", "_R", ["1_r.jpg", "1_R.jpg"], [], ["1_r.jpg", "1_R.jpg"]),
    ],
)
def test_by_names_those_pair_that_differ_in_their_endings(
    batch: Batch,
    named: Callable[..., None],
    front: str,
    back: str,
    names: list[str],
    paired: list[tuple[str, str]],
    odd: list[str],
) -> None:
    named(*names)
    assert told(pairs.plan(batch, "names", front, back)) == (paired, odd)


def test_the_endings_by_which_most_pair_are_suggested(batch: Batch, named: Callable[..., None]) -> None:
    assert pairs.suggested(batch) is None
    named("1_recto.jpg", "1_verso.jpg", "2_recto.jpg", "2_verso.jpg", "3a.jpg", "3b.jpg")
    assert pairs.suggested(batch) == ("_recto", "_verso")


def test_a_pair_is_one_card(batch: Batch, scanned: Callable[..., None]) -> None:
    scanned("1.jpg", "2.jpg", "3.jpg")
    assert pairs.apply(batch, "order") == 1
    assert sides(batch) == [("1.jpg", "2.jpg"), ("3.jpg", None)]
    fresh = Batch.objects.get()
    assert (fresh.total, fresh.pending) == (2, 2)
    card = batch.cards.select_related("back").get(filename="1.jpg")
    image = derive.prepared(card, full_resolution=False, max_px=1600)
    assert image.back is not None
    assert (image.width, image.back.width) == (300, 301)


def test_parted_both_are_cards_again_in_their_order(batch: Batch, scanned: Callable[..., None]) -> None:
    scanned("1.jpg", "2.jpg", "3.jpg", "4.jpg")
    before = [card.as_scan() for card in batch.cards.order_by("position")]
    pairs.apply(batch, "order")
    assert pairs.part(batch, batch.cards.get(filename="1.jpg")) == 1
    assert sides(batch) == [("1.jpg", None), ("2.jpg", None), ("3.jpg", "4.jpg")]
    assert pairs.part(batch) == 1
    assert [card.as_scan() for card in batch.cards.order_by("position")] == before
    fresh = Batch.objects.get()
    assert (fresh.total, fresh.pending) == (4, 4)
    assert not CardScan.objects.exists()


def test_an_order_laid_by_hand_decides_and_is_kept(batch: Batch, scanned: Callable[..., None]) -> None:
    scanned("1.jpg", "2.jpg", "3.jpg", "4.jpg")
    drafts.move_card(batch, batch.cards.get(filename="4.jpg"), "1")
    pairs.apply(batch, "order")
    assert sides(batch) == [("4.jpg", "1.jpg"), ("2.jpg", "3.jpg")]
    pairs.part(batch)
    assert [front for front, _back in sides(batch)] == ["4.jpg", "1.jpg", "2.jpg", "3.jpg"]


def test_many_pairs_take_several_transactions(
    batch: Batch, named: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "BLOCK", 2)
    named(*(f"{n}{side}.jpg" for n in range(1, 6) for side in "ab"))
    settled, really = [], order.settle
    monkeypatch.setattr(order, "settle", lambda change: settled.append(change) or really(change))
    assert pairs.apply(batch, "names", "a", "b") == 5
    assert Batch.objects.get().total == 5
    assert len(settled) == 2  # before and after: not for each block, which looks at all cards
    assert pairs.part(batch) == 5
    assert Batch.objects.get().total == 10
    assert [card.position for card in batch.cards.order_by("position")] == list(range(1, 11))
    assert len(settled) == 3


@pytest.mark.parametrize(
    ("front", "back", "status", "sent"),
    [
        (False, True, CardStatus.PENDING, 1),
        (True, False, CardStatus.PENDING, 2),
        (True, True, CardStatus.SKIPPED, 1),
        (False, False, CardStatus.PENDING, 2),
    ],
)
def test_a_blank_side_leaves_the_other_one_to_be_read(
    batch: Batch, front: bool, back: bool, status: str, sent: int
) -> None:
    batch.options = {"rotation": 0}
    batch.save()
    for name, blank in (("1.jpg", front), ("2.jpg", back)):
        paper = papers.paper()
        image = pictures.encoded(paper if blank else papers.written(paper, "Grieg, Edvard"))
        derive.prepare(adding.add_file(batch, name, [image]).cards[0])
    assert [card.blank for card in batch.cards.order_by("position")] == [front, back]
    pairs.apply(batch, "order")
    card = batch.cards.select_related("back").get()
    assert card.status == status
    fresh = Batch.objects.get()
    assert (fresh.pending, fresh.skipped, fresh.blank) == ((1, 0, 0) if status == CardStatus.PENDING else (0, 1, 1))
    image = derive.prepared(card, full_resolution=False, max_px=1600)
    assert 1 + (image.back is not None) == sent
    batch.cards.update(prepared_at=None)
    derive.prepare(batch.cards.select_related("batch", "back").get())
    assert batch.cards.get().status == status  # prepared anew it is passed over no more than before
    pairs.part(batch)
    derive.prepare_many(batch.cards.select_related("batch"))
    assert [one.skip_reason == SkipReason.BLANK for one in batch.cards.order_by("position")] == [front, back]


def test_a_trimmed_pair_is_whole_again_when_that_is_not_wanted_any_more(
    batch: Batch, scanned: Callable[..., None]
) -> None:
    scanned("1.jpg", "2.jpg", "3.jpg", "4.jpg")
    Batch.objects.update(options=OPTIONS | {"trim": True})
    Card.objects.update(crop=[1, 1, 30, 20], trimmed=True)
    pairs.apply(batch, "order")
    pairs.part(batch, batch.cards.order_by("position")[0])
    scans.set_options(batch, OPTIONS)
    assert [(card.crop, card.width) for card in batch.cards.all()] == [(None, 0)] * 3
    assert [(back.crop, back.width) for back in CardScan.objects.all()] == [(None, 0)]


def test_the_setting_for_all_scans_turns_backs_too(batch: Batch, scanned: Callable[..., None]) -> None:
    scanned("1.jpg", "2.jpg")
    pairs.apply(batch, "order")
    scans.set_options(batch, OPTIONS | {"rotation": 90})
    card = Card.objects.select_related("batch", "back").get()
    derive.prepare(card)
    assert [side.rotation for side in card.sides] == [90, 90]
    assert all(store.derived(side, "page").is_file() for side in card.sides)
    assert card.back is not None
    card = replacing.replace(card, batch.owner, "3.jpg", [pictures.jpeg((90, 60))], back=True)
    assert CardScan.objects.get(role=CardScan.Role.BACK).rotation == 90


def test_a_back_that_a_person_has_turned_stays_as_it_was_turned(batch: Batch, scanned: Callable[..., None]) -> None:
    scanned("1.jpg", "2.jpg", "3.jpg", "4.jpg")
    turned = batch.cards.get(original_name="2.jpg")
    turning.turn(turned, 180)
    derive.prepare_many(batch.cards.select_related("batch"))
    pairs.apply(batch, "order")
    scans.set_options(batch, OPTIONS | {"rotation": 90})
    backs = {back.original_name: back for back in CardScan.objects.all()}
    assert {name: (back.rotation, back.turned_by) for name, back in backs.items()} == {
        "2.jpg": (180, TurnedBy.PERSON),
        "4.jpg": (90, TurnedBy.SETTING),
    }
    pairs.part(batch)
    derive.prepare_many(batch.cards.select_related("batch"))
    assert {card.original_name: card.rotation for card in batch.cards.all()} == {
        "1.jpg": 90,
        "2.jpg": 180,
        "3.jpg": 90,
        "4.jpg": 90,
    }


def test_nothing_is_paired_before_it_is_known_what_is_on_it(batch: Batch, make_cards: Make) -> None:
    make_cards(2)
    with pytest.raises(drafts.Refused):
        pairs.apply(batch, "order")


def test_a_started_batch_is_paired_no_more(batch: Batch, scanned: Callable[..., None]) -> None:
    scanned("x1.jpg", "x2.jpg", "x3.jpg", "x4.jpg")
    pairs.apply(batch, "names", "1", "2")
    runs.start(batch, batch.owner)
    for act in (lambda: pairs.apply(batch, "order"), lambda: pairs.part(batch)):
        with pytest.raises(drafts.BatchLocked):
            act()


def test_removed_a_pair_leaves_neither_file_nor_count(
    batch: Batch, scanned: Callable[..., None], django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    scanned("1.jpg", "2.jpg")
    uploads = [Upload.objects.create(batch=batch, name=name, cards_made=1) for name in ("1.jpg", "2.jpg")]
    for upload in uploads:
        batch.cards.filter(original_name=upload.name).update(upload=upload)
    pairs.apply(batch, "order")
    assert [upload.cards_made for upload in Upload.objects.all()] == [1, 1]
    with django_capture_on_commit_callbacks(execute=True):
        drafts.remove_cards(batch, batch.cards.all())
    assert [upload.cards_made for upload in Upload.objects.all()] == [0, 0]
    assert [path for path in store.folder(batch).rglob("*") if path.is_file()] == []
