"""Both sides of a card, read as one."""

from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from ocr import pipeline
from ocr.engines.base import Prepared, ReadTask
from ocr.engines.local import LocalAdapter
from ocr.fields import FieldSpec, FieldType

TASK = ReadTask(
    (FieldSpec("author", "Author"), FieldSpec("shelfmark", "Shelfmark"), FieldSpec("year", "Year", type=FieldType.YEAR))
)


def drawn(path: Path, *lines: str, rotation: int = 0) -> Prepared:
    card = Image.new("RGB", (900, 560), "ivory")
    pen = ImageDraw.Draw(card)
    for number, line in enumerate(lines):
        pen.text((60, 60 + 90 * number), line, fill="black", font=ImageFont.load_default(44))
    card.rotate(rotation, expand=True).save(path, quality=95)
    return Prepared(path, "image/jpeg", 900, 560)


@pytest.fixture(scope="module")
def reading(adapter: LocalAdapter, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("sides")
    front = drawn(folder / "front.jpg", "Author: Grieg, Edvard", "Peer Gynt, a suite for orchestra")
    back = drawn(folder / "back.jpg", "Shelfmark: AB 1234", "Given by the heirs in the spring", rotation=180)
    card = Prepared(front.path, front.media_type, front.width, front.height, back=back)
    return pipeline.read(card, TASK, adapter)


def test_each_value_comes_from_the_side_that_gives_it(reading) -> None:
    assert reading.fields["author"].value == "Grieg, Edvard"
    assert reading.fields["shelfmark"].value == "AB 1234"
    assert reading.fields["year"].value is None
    assert not reading.fields["author"].on_back


def test_it_is_said_where_a_value_stands(reading) -> None:
    found = reading.fields["shelfmark"]
    assert found.on_back
    assert found.regions[0].y < 0.3  # on the back as it stands upright


def test_text_and_rotation_are_those_of_both_sides(reading) -> None:
    assert reading.transcription.index("Peer Gynt") < reading.transcription.index("heirs")
    assert (reading.rotation, reading.back_rotation) == (0, 180)
