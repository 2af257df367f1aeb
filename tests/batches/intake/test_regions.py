"""A part of a page, and a card of two sides: derived, shown, read."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from batches.intake import adding, derive, moves, store
from batches.models import Batch, Card, CardScan
from batches.states import CardStatus
from ocr.errors import UnreadableImage
from tests.batches.intake import pictures

Add = Callable[..., list[Card]]
LEFT, RIGHT = [0, 0, 600, 400], [600, 0, 600, 400]


def halves(**options: object) -> bytes:
    """Red on the left, blue on the right."""
    sheet = Image.new("RGB", (1200, 400), (200, 30, 30))
    sheet.paste((30, 30, 200), (600, 0, 1200, 400))
    return pictures.encoded(sheet, **options)


def cut(card: Card, crop: list[int], number: int = 1) -> Card:
    card.crop, card.cut, (card.width, card.height) = crop, number, crop[2:]
    card.save()
    return card


def with_back(card: Card, back: Card) -> Card:
    made = CardScan.objects.create(card=card, role=CardScan.Role.BACK, **back.as_scan())
    back.delete()
    card.back = made
    card.save()
    return card


def colour(path: Path) -> str:
    with Image.open(path) as image:
        red, _green, blue = image.convert("RGB").resize((1, 1)).getpixel((0, 0))
        return "red" if red > 2 * blue else "blue" if blue > 2 * red else "both"


@pytest.mark.parametrize(("crop", "seen"), [(LEFT, "red"), (RIGHT, "blue")])
def test_images_show_the_region_alone(batch: Batch, add: Add, crop: list[int], seen: str):
    card = cut(add("sheet.jpg", halves())[0], crop)
    derive.prepare(card)
    assert colour(store.derived(card, "page")) == seen
    with Image.open(store.derived(card, "thumb")) as thumb:
        assert thumb.size == (320, 213)


def test_a_region_lies_on_the_page_as_exif_turns_it(batch: Batch, add: Add):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down: what was stored on the left is seen on the right
    card = cut(add("sheet.jpg", halves(exif=exif))[0], LEFT)
    derive.prepare(card)
    assert colour(store.derived(card, "page")) == "blue"


def test_both_kinds_of_engine_get_the_region_alone(batch: Batch, add: Add):
    card = cut(add("sheet.jpg", halves())[0], RIGHT)
    for full_resolution in (True, False):
        image = derive.prepared(card, full_resolution=full_resolution, max_px=1600)
        assert (image.width, image.height) == (600, 400)
        assert colour(image.path) == "blue"
    assert (store.find(card)).read_bytes() == halves()


def test_a_region_outside_of_the_page_is_told(batch: Batch, add: Add):
    card = cut(add("sheet.jpg", halves())[0], [1200, 0, 50, 50])
    derive.prepare(card)
    assert Card.objects.get().error == UnreadableImage.reason


def test_images_of_another_region_are_not_mistaken_for_its_own(batch: Batch, add: Add):
    card = cut(add("sheet.jpg", halves())[0], LEFT)
    derive.prepare(card)
    first, address = store.derived(card, "page"), card.look
    cut(card, RIGHT)
    assert not store.derived(card, "page").exists()
    derive.prepare(card)
    assert colour(store.derived(card, "page")) == "blue"
    assert card.look != address
    assert set(store.all_derived(store.folder(batch), {card.filename})) >= {first, store.derived(card, "page")}


def test_what_was_prepared_says_nothing_about_another_region(batch: Batch, add: Add):
    card = add("sheet.jpg", halves())[0]
    stale = Card.objects.select_related("batch").get(pk=card.pk)
    cut(card, LEFT)
    derive.prepare(stale)
    assert Card.objects.get().prepared_at is None


def test_an_engine_gets_front_and_back(batch: Batch, add: Add):
    card = with_back(add("a.jpg", pictures.jpeg())[0], add("b.jpg", pictures.jpeg((300, 500)))[0])
    derive.prepare(card)
    image = derive.prepared(card, full_resolution=False, max_px=1600)
    assert (image.width, image.height) == (600, 400)
    assert image.back is not None
    assert (image.back.width, image.back.height) == (300, 500)
    assert image.back.path.name.startswith("b.jpg")


def test_a_blank_back_is_not_sent(batch: Batch, add: Add):
    card = with_back(add("a.jpg")[0], add("b.jpg")[0])
    CardScan.objects.update(blank=True)
    card = Card.objects.select_related("batch", "back").get()
    assert derive.prepared(card, full_resolution=False, max_px=1600).back is None


def test_a_back_that_cannot_be_opened_is_told(batch: Batch, add: Add):
    card = with_back(add("a.jpg")[0], add("b.jpg", pictures.truncated(pictures.jpeg((2000, 1500))))[0])
    derive.prepare(card)
    fresh = Card.objects.get()
    assert fresh.error == UnreadableImage.reason
    assert fresh.error_message.startswith("The back: ")


def test_removed_it_leaves_nothing_of_either_side(
    batch: Batch, add: Add, django_capture_on_commit_callbacks: Callable[..., object]
):
    card = with_back(add("a.jpg")[0], add("b.jpg")[0])
    derive.prepare(card)
    with django_capture_on_commit_callbacks(execute=True):
        adding.remove([card])
    assert [path for path in store.folder(batch).rglob("*") if path.is_file()] == []


def test_a_file_stays_as_long_as_one_of_its_cards_does(
    batch: Batch, add: Add, django_capture_on_commit_callbacks: Callable[..., object]
):
    front = with_back(add("a.jpg")[0], add("sheet.tif", pictures.tiff([(600, 400), (600, 400)]))[0])
    with django_capture_on_commit_callbacks(execute=True):
        adding.remove(Card.objects.exclude(pk=front.pk))
    assert front.back is not None
    assert store.find(front.back).is_file()


def test_both_sides_of_a_failed_card_lie_among_the_errors(batch: Batch, add: Add):
    card = with_back(add("a.jpg")[0], add("b.jpg")[0])
    Card.objects.update(status=CardStatus.FAILED)
    moves.place(card)
    assert {path.name for path in (store.folder(batch) / store.ERRORS).iterdir()} == {"a.jpg", "b.jpg"}
    Card.objects.update(status=CardStatus.PENDING)
    moves.place(card)
    assert store.find(card).parent == store.folder(batch)
    assert card.back is not None
    assert store.find(card.back).parent == store.folder(batch)


def test_the_same_file_again_finds_the_card_whose_back_it_is(batch: Batch, add: Add):
    card = with_back(add("a.jpg")[0], add("b.jpg", client_key="k")[0])
    assert add("b.jpg", client_key="k") == [card]
    assert Card.objects.count() == 1
