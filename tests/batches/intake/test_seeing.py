"""What preparation finds on a scan, from the file to the row."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from batches.actions import cards, scans
from batches.intake import adding, alike, decoders, derive, frame, store, upright
from batches.models import Batch, Card, CardScan, Likeness
from batches.states import BatchStatus, CardStatus, SkipReason, TurnedBy
from ocr.engines.local import ocr, reading
from ocr.errors import EngineMissing, UnreadableImage
from tests.batches.intake import papers, pictures
from tests.batches.intake.test_barcodes import coded

Add = Callable[..., list[Card]]
SAMPLES = Path(adding.SAMPLES)


@pytest.fixture
def batch(batch: Batch) -> Batch:
    """With the options that a new batch has."""
    batch.options = {}
    batch.save()
    return batch


@pytest.fixture
def text_says(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """What the text of one card after the other says; the last word holds on."""
    said: list[int | None] = [0]
    monkeypatch.setattr(ocr, "shared", lambda: None)
    monkeypatch.setattr(reading, "find_rotation", lambda *_: said.pop(0) if len(said) > 1 else said[0])
    return said


def prepared(card: Card) -> Card:
    derive.prepare(Card.objects.select_related("batch").get(pk=card.pk))
    return Card.objects.select_related("batch").get(pk=card.pk)


def empty(seed: int = 1) -> bytes:
    return pictures.encoded(papers.paper(seed))


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


# -- blank


def test_a_blank_scan_is_passed_over(batch: Batch, add: Add):
    card = prepared(add(data=empty())[0])
    assert (card.status, card.skip_reason, card.blank) == (CardStatus.SKIPPED, SkipReason.BLANK, True)
    assert card.error == ""
    batch.refresh_from_db()
    assert (batch.pending, batch.skipped, batch.blank) == (0, 1, 1)
    assert store.derived(card, "thumb").is_file()


def test_unless_the_batch_wants_it_read(batch: Batch, add: Add):
    batch.options = {"pass_blank": False}
    batch.save()
    card = prepared(add(data=empty())[0])
    assert (card.status, card.blank) == (CardStatus.PENDING, True)
    batch.refresh_from_db()
    assert batch.blank == 0


def test_a_person_s_word_that_it_is_not_blank_holds(batch: Batch, add: Add):
    card = add(data=empty())[0]
    Card.objects.update(blank=False)
    card = prepared(card)
    assert (card.status, card.blank) == (CardStatus.PENDING, False)


def test_a_card_that_is_not_blank_is_turned_as_its_text_says(batch: Batch, add: Add, text_says: list[int | None]):
    text_says[:] = [90]
    card = prepared(add(data=empty())[0])
    assert (card.rotation, card.turned_by) == (0, "")
    card = prepared(cards.read_after_all(card))
    assert (card.status, card.rotation, card.turned_by) == (CardStatus.PENDING, 90, TurnedBy.TEXT)


def test_what_cannot_be_told_costs_no_card(batch: Batch, add: Add, monkeypatch: pytest.MonkeyPatch):
    def crash(*_: object, **__: object) -> None:
        raise UnreadableImage("The decoder broke off.")

    batch.options = {"rotation": 90}
    batch.save()
    monkeypatch.setattr(decoders.Pool, "examine", crash)
    card = prepared(add()[0])
    assert (card.status, card.error, card.blank, card.phash) == (CardStatus.PENDING, "", None, None)
    assert (card.rotation, card.turned_by) == (90, TurnedBy.SETTING)


def test_a_blank_last_card_ends_a_batch_that_runs(batch: Batch, add: Add):
    card = add(data=empty())[0]
    Batch.objects.update(status=BatchStatus.RUNNING)
    prepared(card)
    batch.refresh_from_db()
    assert (batch.status, batch.blank) == (BatchStatus.COMPLETED, 1)


# -- codes


def test_codes_stand_on_the_row(add: Add, text_says: list[int | None]):
    card = prepared(add(data=pictures.encoded(coded("M 12.407", "Code128")))[0])
    assert card.codes == [{"kind": "Code 128", "text": "M 12.407"}]


def test_codes_of_the_back_stay_when_the_front_is_prepared_anew(add: Add, text_says: list[int | None]):
    card = prepared(add(data=pictures.encoded(coded("M 12.407", "Code128")))[0])
    of_the_back = {"kind": "QR Code", "text": "1954/318"}
    (other,) = add("back.jpg")
    card.back = CardScan.objects.create(card=card, role=CardScan.Role.BACK, **other.as_scan())
    card.codes, card.prepared_at = [*card.codes, of_the_back], None
    card.save()
    assert prepared(card).codes == [{"kind": "Code 128", "text": "M 12.407"}, of_the_back]


# -- likeness


def test_copies_name_the_first_of_them(batch: Batch, add: Add, text_says: list[int | None]):
    data = sample("music-01.jpg")
    one, other, third = (prepared(add(f"{n}.jpg", data)[0]) for n in range(3))
    different = prepared(add("other.jpg", sample("music-05.jpg"))[0])
    like = dict(Likeness.objects.values_list("card", "like"))
    assert like == {one.pk: None, other.pk: one.pk, third.pk: one.pk, different.pk: None}


def test_it_does_not_matter_which_is_prepared_first(add: Add, text_says: list[int | None]):
    data = sample("music-01.jpg")
    one, other = add("1.jpg", data)[0], add("2.jpg", data)[0]
    prepared(other)
    prepared(one)
    assert Likeness.objects.get(card=other).like_id == one.pk
    assert Likeness.objects.get(card=one).like_id is None


def test_those_that_looked_like_a_removed_card_look_like_each_other(
    batch: Batch, add: Add, text_says: list[int | None], django_capture_on_commit_callbacks: Callable[..., object]
):
    data = sample("music-01.jpg")
    one, other, third = (prepared(add(f"{n}.jpg", data)[0]) for n in range(3))
    adding.remove([one])
    assert dict(Likeness.objects.values_list("card", "like")) == {other.pk: None, third.pk: other.pk}


def test_cards_of_another_batch_are_not_looked_at(batch: Batch, add: Add, text_says: list[int | None]):
    card = prepared(add(data=sample("music-01.jpg"))[0])
    elsewhere = Batch.objects.create(name="Drawer 13", owner=batch.owner, engine=batch.engine)
    there = prepared(adding.add_file(elsewhere, "1.jpg", [sample("music-01.jpg")]).cards[0])
    assert Likeness.objects.get(card=there).like_id is None
    assert card.phash == there.phash


def test_of_a_thousand_copies_a_new_one_is_laid_over_one_alone(
    batch: Batch, make_cards: Callable[..., list[Card]], monkeypatch: pytest.MonkeyPatch
):
    cards = make_cards(1000, phash=5)
    first = cards[0]
    Likeness.objects.bulk_create(
        Likeness(card=card, batch=batch, like=None if card == first else first, **alike.parts(5)) for card in cards
    )
    compared: list[int] = []

    class Pool:
        def compare(self, path: Path, others: list[Path]) -> list[float]:
            compared.append(len(others))
            return [1.0 for _ in others]

    monkeypatch.setattr(alike.decoders, "pool", Pool)
    exact, near = make_cards(1, phash=5)[0], make_cards(1, phash=4)[0]
    alike.link(exact)
    alike.link(near)
    assert compared == [1, 1]
    assert {Likeness.objects.get(card=card).like_id for card in (exact, near)} == {first.pk}


def test_many_cards_that_differ_are_never_laid_over_each_other(
    batch: Batch, make_cards: Callable[..., list[Card]], monkeypatch: pytest.MonkeyPatch
):
    cards = make_cards(200)
    for card in cards:  # scattered evenly
        card.phash = (card.pk * 0x9E3779B97F4A7C15) % (1 << 64) - (1 << 63)
    Card.objects.bulk_update(cards, ["phash"])
    monkeypatch.setattr(alike.decoders, "pool", lambda: pytest.fail("compared"))
    for card in cards:
        alike.link(card)
    assert Likeness.objects.exclude(like=None).count() == 0


# -- which way up


def test_text_turns_a_card_upright(add: Add):
    card = prepared(add(data=sample("music-04.jpg"))[0])
    assert (card.rotation, card.turned_by) == (270, TurnedBy.TEXT)
    assert store.derived(card, "thumb", 270).is_file()
    image = derive.prepared(card, full_resolution=False, max_px=1600)
    assert (image.width, image.height) == (card.height, card.width)
    assert derive.prepared(card, full_resolution=True, max_px=1600).rotation == 270


def test_after_five_that_agree_the_others_lie_like_them(batch: Batch, add: Add, text_says: list[int | None]):
    text_says[:] = [90, None, 90, 90, 90, 90, 180]
    cards = [prepared(add(f"{n}.jpg")[0]) for n in range(8)]
    assert [card.rotation for card in cards] == [90, 0, 90, 90, 90, 90, 90, 90]
    assert [card.turned_by for card in cards[5:]] == [TurnedBy.TEXT, TurnedBy.OTHERS, TurnedBy.OTHERS]
    image = derive.prepared(cards[-1], full_resolution=True, max_px=1600)
    assert image.rotation is None  # an engine that can see it looks itself


def test_cards_that_disagree_are_each_looked_at(batch: Batch, add: Add, text_says: list[int | None]):
    text_says[:] = [0, 180, 0, 180, 0, 180, 0]
    cards = [prepared(add(f"{n}.jpg")[0]) for n in range(7)]
    assert [card.rotation for card in cards] == [0, 180, 0, 180, 0, 180, 0]


def test_where_no_card_has_text_the_search_ends(batch: Batch, add: Add, text_says: list[int | None]):
    text_says[:] = [None] * upright.WORDLESS + [90]
    cards = [prepared(add(f"{n}.jpg")[0]) for n in range(upright.WORDLESS + 1)]
    assert {(card.rotation, card.turned_by) for card in cards} == {(0, TurnedBy.NOTHING)}


def test_a_setting_turns_all(batch: Batch, add: Add, text_says: list[int | None]):
    batch.options = {"rotation": 180}
    batch.save()
    text_says[:] = [90]
    card = prepared(add()[0])
    assert (card.rotation, card.turned_by) == (180, TurnedBy.SETTING)
    assert derive.prepared(card, full_resolution=True, max_px=1600).rotation == 180


def test_a_person_s_turn_wins(batch: Batch, add: Add, text_says: list[int | None]):
    batch.options = {"rotation": 180}
    batch.save()
    card = add()[0]
    Card.objects.update(rotation=90, turned_by=TurnedBy.PERSON)
    card = prepared(card)
    assert (card.rotation, card.turned_by) == (90, TurnedBy.PERSON)
    assert pictures.dark_corner(pictures.opened(store.derived(card, "thumb"))) == "top right"


def test_without_the_models_it_goes_on_unturned(batch: Batch, add: Add, monkeypatch: pytest.MonkeyPatch):
    def missing() -> None:
        raise EngineMissing("The OCR models of this installation cannot be loaded.")

    monkeypatch.setattr(ocr, "shared", missing)
    card = prepared(add()[0])
    assert (card.rotation, card.turned_by, card.error) == (0, TurnedBy.UNABLE, "")
    assert card.prepared_at is not None


# -- trimmed and set level


def framed(degrees: float = 0.0) -> bytes:
    image = papers.ruled(papers.paper(1))
    for line in range(5):
        papers.written(image, f"Halvorsen, Elin: Seven Songs {line}", ink=(50, 50, 50), at=(200, 200 + 140 * line))
    scan = Image.new("RGB", (1800, 1200), (10, 10, 10))
    scan.paste(papers.askew(image, degrees), (200, 50))
    return pictures.encoded(scan)


def test_a_frame_is_cut_off_from_what_is_derived_alone(batch: Batch, add: Add, text_says: list[int | None]):
    batch.options = {"trim": True, "rotation": 90}
    batch.save()
    data = framed()
    card = prepared(add(data=data)[0])
    left, top, width, height = card.crop
    assert (left, top, width, height) == pytest.approx((200, 50, 1500, 1000), abs=20)
    assert (card.trimmed, card.width, card.height) == (True, width, height)
    assert store.find(card).read_bytes() == data
    assert pictures.opened(store.derived(card, "page")).size == pytest.approx((height, width), abs=2)
    for full in (True, False):
        image = derive.prepared(card, full_resolution=full, max_px=1600)
        assert sorted(pictures.opened(image.path).size) == pytest.approx(sorted((width, height)), abs=2)


def test_a_card_askew_is_set_level(batch: Batch, add: Add, text_says: list[int | None]):
    batch.options = {"trim": True, "straighten": True}
    batch.save()
    card = prepared(add(data=framed(2.0))[0])
    assert card.crop[4] == pytest.approx(36_000 - 200, abs=30)
    level = frame.find(pictures.opened(store.derived(card, "page")).convert("L"), trim=False, straighten=True)
    assert level is None


def test_when_it_is_not_wanted_any_more_the_scan_is_whole_again(batch: Batch, add: Add, text_says: list[int | None]):
    batch.options = {"trim": True}
    batch.save()
    card = prepared(add(data=framed())[0])
    scans.set_options(batch, {"rotation": "auto", "pass_blank": True, "trim": False, "straighten": False})
    card = prepared(card)
    assert (card.crop, card.trimmed, card.width, card.height) == (None, False, 1800, 1200)
    assert pictures.opened(store.derived(card, "page")).size == (1600, 1067)
