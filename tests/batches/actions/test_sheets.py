from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from batches.actions import drafts, replacing, runs, scans, sheets
from batches.intake import adding, derive, frame, free_names, looking, names, store
from batches.models import Batch, Card, CardScan, Likeness, Sheet, Upload
from batches.states import CardStatus
from tests.batches.intake import papers, pictures
from tests.batches.intake.test_sheets import DARK, drawn, laid

pytestmark = pytest.mark.usefixtures("cut_short")


@pytest.fixture
def cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several sheets in more than one transaction."""
    monkeypatch.setattr(sheets, "BLOCK", 2)


@pytest.fixture
def scanned(batch: Batch) -> Callable[..., list[Sheet]]:
    """Sheets of two cards, one above the other, that have been looked at."""

    def scan(*names: str, cards: int = 2, size: tuple[int, int] = (450, 280)) -> list[Sheet]:
        Batch.objects.filter(pk=batch.pk).update(options={"rotation": 0})  # no text is looked at
        sheets.look_for(batch, True)
        image = pictures.encoded(laid([drawn(size)] * cards, 1, DARK)[0])
        for name in names:
            derive.prepare(adding.add_file(batch, name, [image]).cards[0])
        while looking.look(batch.pk):
            pass
        return list(batch.sheets.filter(original_name__in=names))

    return scan


@pytest.fixture
def sheet(scanned: Callable[..., list[Sheet]]) -> Sheet:
    return scanned("sheet.jpg")[0]


def counted(batch: Batch) -> tuple[int, int]:
    fresh = Batch.objects.get(pk=batch.pk)
    return fresh.total, fresh.pending


def cards(batch: Batch) -> list[Card]:
    return list(batch.cards.order_by("position"))


def test_nothing_is_looked_for_where_nobody_wants_it(batch: Batch) -> None:
    derive.prepare(adding.add_file(batch, "sheet.jpg", [pictures.jpeg()]).cards[0])
    assert not looking.look(batch.pk)
    sheets.look_for(batch, True)
    assert looking.look(batch.pk)
    assert not looking.look(batch.pk)  # each page once


def test_what_is_found_is_a_proposal(batch: Batch, sheet: Sheet) -> None:
    assert len(sheet.found) == 2
    assert sheet.cuts == []
    assert counted(batch) == (1, 1)
    assert sheet.cards.get().crop is None


def test_each_cut_becomes_a_card_of_the_same_file(batch: Batch, sheet: Sheet) -> None:
    assert sheets.cut(sheet, sheet.found) == 1
    first, second = cards(batch)
    assert counted(batch) == (2, 2)
    assert [card.crop for card in (first, second)] == sheet.found
    assert (first.filename, second.filename) == ("sheet-c1.jpg", "sheet-c2.jpg")
    assert first.source == second.source == "sheet.jpg"
    assert (first.display_name, second.display_name) == ("sheet.jpg (1)", "sheet.jpg (2)")
    assert (first.position, second.position) == (1, 2)
    assert [first.width, first.height] == sheet.found[0][2:]
    assert (first.prepared_at, second.prepared_at) == (None, None)
    derive.prepare_many([first, second])
    with Image.open(store.derived(second, "page")) as page:
        assert page.size == tuple(sheet.found[1][2:])


def test_cards_of_a_sheet_stand_together_in_either_order(batch: Batch, scanned: Callable[..., list[Sheet]]) -> None:
    for each in scanned("a2.jpg", "a10.jpg"):
        sheets.cut(each, each.found)
    assert [card.filename for card in cards(batch)] == ["a2-c1.jpg", "a2-c2.jpg", "a10-c1.jpg", "a10-c2.jpg"]
    sheets.undo(batch)
    drafts.move_card(batch, batch.cards.get(filename="a10.jpg"), "1")
    sheets.cut_as_found(batch)
    assert [card.filename for card in cards(batch)] == ["a10-c1.jpg", "a10-c2.jpg", "a2-c1.jpg", "a2-c2.jpg"]


def test_moved_cuts_are_other_pictures(batch: Batch, sheet: Sheet) -> None:
    assert Likeness.objects.filter(card__batch=batch).count() == 1
    sheets.cut(sheet, sheet.found)
    assert not Likeness.objects.filter(card__batch=batch).exists()
    derive.prepare_many(cards(batch))
    before = [card.look for card in cards(batch)]
    moved = [[left + 10, top, width, height] for left, top, width, height in sheet.found]
    sheets.cut(sheet, moved)
    assert [card.crop for card in cards(batch)] == moved
    assert all(card.prepared_at is None for card in cards(batch))
    assert not set(before) & {card.look for card in cards(batch)}


def test_cuts_may_be_added_and_taken_away(batch: Batch, sheet: Sheet) -> None:
    sheets.cut(sheet, [*sheet.found, [0, 0, 100, 100]])
    assert counted(batch) == (3, 3)
    kept = cards(batch)[0].pk
    sheets.cut(sheet, sheet.found[1:])
    assert counted(batch) == (1, 1)
    assert (batch.cards.get().pk, batch.cards.get().crop) == (kept, sheet.found[1])


def test_undone_the_sheet_is_whole_again(
    batch: Batch, sheet: Sheet, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    (before,) = cards(batch)
    sheets.cut(sheet, sheet.found)
    derive.prepare_many(cards(batch))
    with django_capture_on_commit_callbacks(execute=True):
        assert sheets.undo(batch, sheet) == 1
    (after,) = cards(batch)
    assert after.as_scan() == before.as_scan()
    assert counted(batch) == (1, 1)
    assert store.find(after).read_bytes() == store.find(before).read_bytes()
    assert [path.name for path in store.derived(after, "page").parent.iterdir() if "-c" in path.name] == []
    assert sheets.undo(batch) == 0


def test_the_file_tells_how_many_cards_it_holds(batch: Batch, sheet: Sheet) -> None:
    upload = Upload.objects.create(batch=batch, name="sheet.jpg", cards_made=1)
    batch.cards.update(upload=upload)
    for act, number in ((lambda: sheets.cut(sheet, sheet.found), 2), (lambda: sheets.undo(batch), 1)):
        act()
        upload.refresh_from_db()
        assert (upload.cards_made, upload.cards.count()) == (number, number)


def test_sheets_that_look_alike_are_cut_alike(batch: Batch, scanned: Callable[..., list[Sheet]]) -> None:
    one, two, three = scanned("1.jpg", "2.jpg", "3.jpg")
    (other,) = scanned("other.jpg", cards=3)
    (larger,) = scanned("larger.jpg", size=(600, 380))
    Sheet.objects.filter(pk=two.pk).update(found=[[x + 4, y + 6, w, h] for x, y, w, h in two.found])
    assert {each.pk for each in sheets.alike(one)} == {two.pk, three.pk}
    wider = [[x - 20, y, w + 40, h] for x, y, w, h in one.found]
    assert sheets.cut(one, wider, all_alike=True) == 3
    assert [card.crop for card in cards(batch) if card.sheet_id == two.pk] == [
        [x + 4, y + 6, w, h] for x, y, w, h in wider
    ]
    assert not other.cards.exclude(crop=None).exists()
    assert not larger.cards.exclude(crop=None).exists()


def test_where_nothing_is_found_the_cuts_lie_as_on_the_sheet_before(batch: Batch) -> None:
    here, there = (Sheet(batch=batch, width=1000, height=700, found=[]) for _ in range(2))
    there.width = 980
    assert sheets.carried([[500, 0, 500, 700]], here, there) == [[500, 0, 480, 700]]


def test_all_are_cut_as_found_at_once(batch: Batch, scanned: Callable[..., list[Sheet]]) -> None:
    scanned("1.jpg", "2.jpg", "3.jpg")
    scanned("single.jpg", cards=1)
    assert sheets.cut_as_found(batch) == 3
    assert counted(batch) == (7, 7)
    assert sheets.undo(batch) == 3
    assert counted(batch) == (4, 4)


@pytest.mark.parametrize(
    "regions", [[], [[-1, 0, 100, 100]], [[0, 0, 99_999, 100]], [[0, 0, 100, 9]], [[0, 0, 50, 50]] * 25]
)
def test_impossible_cuts_are_refused(batch: Batch, sheet: Sheet, regions: list[list[int]]) -> None:
    with pytest.raises(drafts.Refused):
        sheets.cut(sheet, regions)
    assert counted(batch) == (1, 1)


def test_a_batch_takes_no_more_cards_than_it_may(batch: Batch, sheet: Sheet, settings) -> None:
    settings.MAX_BATCH_CARDS = 1
    with pytest.raises(drafts.Refused):
        sheets.cut(sheet, sheet.found)


def test_a_started_batch_is_cut_no_more(batch: Batch, sheet: Sheet) -> None:
    runs.start(batch, batch.owner)
    for act in (lambda: sheets.cut(sheet, sheet.found), lambda: sheets.look_for(batch, False)):
        with pytest.raises(drafts.BatchLocked):
            act()


def test_cards_that_are_paired_are_parted_first(batch: Batch, sheet: Sheet) -> None:
    sheets.cut(sheet, sheet.found)
    front = cards(batch)[0]
    front.back = CardScan.objects.create(card=front, role=CardScan.Role.BACK, sheet=sheet, **front.as_scan())
    front.save()
    for act in (lambda: sheets.undo(batch, sheet), lambda: sheets.cut(sheet, sheet.found[:1])):
        with pytest.raises(drafts.Refused, match="paired"):
            act()


def test_a_cut_that_was_left_out_waits_again(batch: Batch, sheet: Sheet) -> None:
    sheets.cut(sheet, sheet.found)
    runs.skip(cards(batch)[0])
    sheets.undo(batch)
    assert batch.cards.get().status == CardStatus.PENDING
    assert counted(batch) == (1, 1)


def test_removed_cards_leave_the_sheet_until_the_last(
    batch: Batch, sheet: Sheet, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    sheets.cut(sheet, sheet.found)
    with django_capture_on_commit_callbacks(execute=True):
        drafts.remove_cards(batch, cards(batch)[:1])
    assert batch.sheets.exists()
    assert store.find(cards(batch)[0]).is_file()
    with django_capture_on_commit_callbacks(execute=True):
        drafts.remove_cards(batch, cards(batch))
    assert not batch.sheets.exists()
    assert [path for path in store.folder(batch).rglob("*") if path.is_file()] == []


def test_a_page_whose_scan_is_replaced_is_no_sheet_any_more(batch: Batch, sheet: Sheet) -> None:
    replacing.replace(batch.cards.get(), batch.owner, "other.jpg", [pictures.jpeg((300, 200))])
    assert not sheets.several(batch).exists()
    derive.prepare(batch.cards.select_related("batch").get())
    while looking.look(batch.pk):
        pass
    assert [(one.source, one.found) for one in batch.sheets.all()] == [("other.jpg", [])]


def test_a_page_is_whole_again_though_another_file_has_its_name(
    batch: Batch, scanned: Callable[..., list[Sheet]]
) -> None:
    (sheet,) = scanned("ledger.jpg")
    for model in (Card, Sheet):  # as a page of a file with several
        model.objects.update(filename="ledger-p001.jpg", source="ledger.jpg", page=1)
    sheet.refresh_from_db()
    sheets.cut(sheet, sheet.found)
    adding.add_file(batch, "ledger-p001.jpg", [pictures.jpeg()])
    assert sheets.undo(batch) == 1
    names = sorted(card.filename for card in batch.cards.all())
    assert names == ["ledger-p001-c1.jpg", "ledger-p001.jpg"]


@pytest.fixture
def askew(batch: Batch) -> Callable[..., Sheet]:
    """A sheet of two cards that lie a little askew, in a batch with these options."""

    def scan(**options: bool) -> Sheet:
        cards = [papers.written(papers.ruled(papers.paper(seed)), "Halvorsen", at=(200, 300)) for seed in (1, 2)]
        for number, card in enumerate(cards):
            for line in range(4):
                papers.written(card, f"Seven Songs {number}", at=(200, 440 + 130 * line))
        sheet = laid([card.resize((900, 600)) for card in cards], 1, (10, 10, 10), askew=3, gap=90)[0]
        Batch.objects.filter(pk=batch.pk).update(options={"rotation": 0, "sheets": True, **options})
        batch.refresh_from_db()
        derive.prepare(adding.add_file(batch, "sheet.png", [pictures.encoded(sheet, "PNG")]).cards[0])
        while looking.look(batch.pk):
            pass
        return batch.sheets.get()

    return scan


def page_of(card: Card) -> Image.Image:
    return pictures.opened(store.derived(card, "page")).convert("L")


def test_cuts_are_trimmed_and_set_level_where_the_batch_wants_it(batch: Batch, askew: Callable[..., Sheet]) -> None:
    sheet = askew(trim=True, straighten=True)
    sheets.cut(sheet, sheet.found)
    before = cards(batch)
    derive.prepare_many(batch.cards.select_related("batch"))
    for card, rough in zip(cards(batch), before, strict=True):
        assert card.trimmed
        assert len(card.crop) == 5
        page = page_of(card)
        assert page.size == (card.width, card.height)
        assert frame.find(page, trim=False, straighten=True) is None
        assert rough.crop is not None
        dark = sum(page.histogram()[:40]) / (page.width * page.height)
        assert dark < 0.03  # the corners of a card that lay askew, and nothing of the sheet besides
        assert card.width == pytest.approx(900, rel=0.03)
        assert card.height == pytest.approx(600, rel=0.03)
    assert sheet.cuts == [card.crop for card in before]


def test_a_trimmed_cut_is_as_it_was_cut_once_that_is_not_wanted(batch: Batch, askew: Callable[..., Sheet]) -> None:
    sheet = askew(trim=True)
    sheets.cut(sheet, sheet.found)
    derive.prepare_many(batch.cards.select_related("batch"))
    assert all(card.trimmed and card.crop not in sheet.found for card in cards(batch))
    derive.prepare_many(batch.cards.select_related("batch"))  # again changes nothing
    trimmed = [card.crop for card in cards(batch)]
    batch.cards.update(prepared_at=None)
    derive.prepare_many(batch.cards.select_related("batch"))
    assert [card.crop for card in cards(batch)] == trimmed
    scans.set_options(batch, {"rotation": 0, "pass_blank": True, "trim": False, "straighten": False})
    assert [card.crop for card in cards(batch)] == sheet.found
    assert [[card.width, card.height] for card in cards(batch)] == [region[2:] for region in sheet.found]
    assert not any(card.trimmed or card.prepared_at for card in cards(batch))


def test_a_page_with_one_card_is_trimmed_once_it_was_looked_at(
    batch: Batch, scanned: Callable[..., list[Sheet]]
) -> None:
    scanned("single.jpg", cards=1)
    Batch.objects.update(options={"rotation": 0, "sheets": True, "trim": True})
    Card.objects.update(prepared_at=None, sheet=None)
    derive.prepare(batch.cards.select_related("batch").get())
    assert not batch.cards.get().trimmed  # somebody may have to cut it
    looking.look(batch.pk)
    assert batch.cards.get().prepared_at is None
    derive.prepare(batch.cards.select_related("batch").get())
    assert batch.cards.get().trimmed
    sheets.look_for(batch, True)
    assert batch.cards.get().trimmed  # it was looked at
    Card.objects.update(sheet=None)
    sheets.look_for(batch, True)
    card = batch.cards.get()
    assert (card.trimmed, card.crop, card.prepared_at) == (False, None, None)


def test_names_that_are_in_the_way_are_found_by_an_index_and_in_a_few_looks(
    batch: Batch, sheet: Sheet, make_cards: Callable[..., list[Card]]
) -> None:
    for number, card in enumerate(make_cards(40), 1):
        name = names.part_of("SHEET.jpg", 1, number)
        Card.objects.filter(pk=card.pk).update(filename=name, source=name)
    with CaptureQueriesContext(connection) as asked:
        assert free_names.of_cuts(batch, sheet, 2) == ["sheet-c1-41.jpg", "sheet-c2.jpg"]
    assert len(asked) < 20
    for query in asked if connection.vendor == "sqlite" else ():
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            assert "_low" in " ".join(row[3] for row in cursor.fetchall())
    sheets.cut(sheet, sheet.found)
    assert [card.filename for card in batch.cards.filter(sheet=sheet).order_by("cut")] == [
        "sheet-c1-41.jpg",
        "sheet-c2.jpg",
    ]
