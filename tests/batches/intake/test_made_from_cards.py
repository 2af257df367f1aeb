"""Sheets, pairs and blanks made from real cards, here and in memory, from the upload to what an engine reads."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from rapidfuzz import fuzz

from batches.actions import pairs, sheets
from batches.intake import adding, derive, looking
from batches.models import Batch, Card
from batches.states import CardStatus, SkipReason
from ocr.engines.base import EngineConfig, ReadTask
from ocr.engines.local import LocalAdapter
from ocr.fields import FieldSpec
from tests.batches.intake import pictures
from tests.batches.intake.test_sheets import laid

pytestmark = pytest.mark.cards

TASK = ReadTask((FieldSpec("any", "Any"),))
PAIRS = (("lib_", 0, 1), ("bl_", 2, 3))  # printed and typed ones
ALIKE = 85  # of 100: a cut card was made smaller and laid askew


@pytest.fixture(scope="module")
def adapter() -> LocalAdapter:
    return LocalAdapter(EngineConfig(kind="local", name="local"))


@pytest.fixture
def real(cards_folder: Path) -> Callable[..., Image.Image]:
    def open_card(kind: str, number: int) -> Image.Image:
        card = Image.open(sorted(cards_folder.glob(f"{kind}*.jpg"))[number]).convert("RGB")
        card.thumbnail((1600, 1600))
        return card

    return open_card


@pytest.fixture
def added(batch: Batch) -> Callable[..., Card]:
    """A prepared card of the draft. All of these stand upright: no text is looked at for that."""
    batch.options = {"rotation": 0, "sheets": True}
    batch.save()

    def add(name: str, image: Image.Image) -> Card:
        card = adding.add_file(batch, name, [pictures.encoded(image, quality=92)]).cards[0]
        derive.prepare(card)
        return Card.objects.select_related("batch", "back").get(pk=card.pk)

    return add


def text(card: Card, adapter: LocalAdapter) -> str:
    return adapter.read(derive.prepared(card, full_resolution=True, max_px=1600), TASK).transcription


def without_words(card: Image.Image) -> Image.Image:
    """Its paper alone: the calmest part of it, laid over and over."""
    size = (card.width // 8, card.height // 8)
    places = [(x, y) for x in range(0, card.width - size[0], size[0]) for y in range(0, card.height - size[1], size[1])]

    def unrest(place: tuple[int, int]) -> int:
        tile = card.convert("L").crop((*place, place[0] + size[0], place[1] + size[1]))
        low, high = tile.getextrema()
        return int(high - low)  # type: ignore[operator]

    best = min((place for place in places if min(place) > 0), key=unrest)
    tile = card.crop((*best, best[0] + size[0], best[1] + size[1]))
    paper = Image.new("RGB", (8 * size[0], 8 * size[1]))
    for x in range(8):
        for y in range(8):
            paper.paste(tile, (x * size[0], y * size[1]))
    return paper


@pytest.mark.parametrize(("kind", "one", "other"), PAIRS)
def test_both_cards_of_a_sheet_are_read_as_if_each_were_alone(
    batch: Batch, real, added, adapter: LocalAdapter, kind: str, one: int, other: int
) -> None:
    alone = [real(kind, one), real(kind, other)]
    added("sheet.jpg", laid(alone, 1, (60, 60, 64), askew=1.5, gap=120)[0])
    while looking.look(batch.pk):
        pass
    assert sheets.cut_as_found(batch) == 1
    cut = list(batch.cards.select_related("batch").order_by("position"))
    assert len(cut) == 2
    derive.prepare_many(cut)
    for card, image in zip(cut, alone, strict=True):
        wanted = text(added(f"alone {card.cut}.jpg", image), adapter)
        assert len(wanted) > 40
        assert fuzz.ratio(text(card, adapter), wanted) > ALIKE


@pytest.mark.parametrize(("kind", "one", "other"), PAIRS)
def test_a_pair_is_read_as_one_card_of_two_sides(
    batch: Batch, real, added, adapter: LocalAdapter, kind: str, one: int, other: int
) -> None:
    front, back = added("7_r.jpg", real(kind, one)), added("7_v.jpg", real(kind, other))
    wanted = [text(card, adapter) for card in (front, back)]
    assert pairs.suggested(batch) == ("_r", "_v")
    assert pairs.apply(batch, "names", "_r", "_v") == 1
    card = batch.cards.select_related("batch", "back").get()
    assert text(card, adapter) == "\n\n".join(wanted)


@pytest.mark.parametrize("kind", ["lib_", "bl_"])
def test_a_back_on_which_nothing_stands_is_known_and_not_read(batch: Batch, real, added, kind: str) -> None:
    added("1.jpg", real(kind, 4))
    back = added("2.jpg", without_words(real(kind, 4)))
    assert (back.status, back.skip_reason) == (CardStatus.SKIPPED, SkipReason.BLANK)
    assert pairs.apply(batch, "order") == 1
    card = batch.cards.select_related("batch", "back").get()
    assert card.status == CardStatus.PENDING
    assert card.back is not None
    assert card.back.blank
    assert derive.prepared(card, full_resolution=False, max_px=1600).back is None
