import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from PIL import Image

from ocr import engines, pipeline
from ocr.engines.base import EngineConfig, Prepared, ReadTask
from ocr.engines.local import LocalAdapter
from ocr.errors import UnreadableImage
from ocr.fields import FieldSpec
from ocr.reading import Reading, ValueState
from templates_app import exchange, presets

SAMPLES = Path(settings.BASE_DIR) / "batches" / "samples"
TASK = ReadTask(tuple(exchange.load(json.loads((presets.FOLDER / "sample-cards.json").read_text("utf-8")))))


def samples() -> list[dict[str, Any]]:
    cards: list[dict[str, Any]] = json.loads((SAMPLES / "truth.json").read_text("utf-8"))["cards"]
    return cards


def prepared(path: Path, rotation: int | None = None) -> Prepared:
    return Prepared(path, "image/jpeg", 0, 0, rotation)


@pytest.fixture(scope="session")
def sample_readings(adapter: LocalAdapter) -> dict[str, Reading]:
    files = [card["file"] for card in samples()]

    def read(file: str) -> Reading:
        return pipeline.read(prepared(SAMPLES / file), TASK, adapter)

    with ThreadPoolExecutor(2) as threads:
        return dict(zip(files, threads.map(read, files), strict=True))


def test_the_configured_engine_is_this_one(adapter: LocalAdapter) -> None:
    built = engines.build(EngineConfig(kind="local", name="local"))
    assert isinstance(built, LocalAdapter)
    assert (built.full_resolution, built.in_process) == (True, True)
    built.close()
    assert adapter.read(prepared(SAMPLES / "music-08.jpg"), TASK).model == "PP-OCRv6 small"


def test_typed_and_printed_sample_cards_are_read_right(sample_readings: dict[str, Reading]) -> None:
    values, right, wrong = 0, 0, []
    for card in samples():
        if card["kind"] == "handwriting":
            continue
        for spec in TASK.fields:
            wanted, found = card["fields"][spec.key], sample_readings[card["file"]].fields[spec.key]
            values += bool(wanted)
            if wanted and found.verbatim == wanted:
                right += 1
            elif wanted or found.value:
                wrong.append((card["file"], spec.key, found.verbatim))
    assert right >= 0.9 * values, wrong
    assert values >= 60


def test_sample_cards_are_turned_upright(sample_readings: dict[str, Reading]) -> None:
    for card in samples():
        wanted = None if card["kind"] == "blank" else card["rotate_cw_to_upright"]
        assert sample_readings[card["file"]].rotation == wanted


def test_a_blank_card_has_no_values_and_no_text(sample_readings: dict[str, Reading]) -> None:
    [blank] = [sample_readings[card["file"]] for card in samples() if card["kind"] == "blank"]
    assert {field.state for field in blank.fields.values()} == {ValueState.ABSENT}
    assert blank.transcription == ""


def test_a_known_rotation_is_taken_as_it_is(adapter: LocalAdapter, sample_readings: dict[str, Reading]) -> None:
    [turned] = [card for card in samples() if card["rotate_cw_to_upright"]]
    path = SAMPLES / turned["file"]
    reading = adapter.read(prepared(path, turned["rotate_cw_to_upright"]), TASK)
    assert reading.rotation == turned["rotate_cw_to_upright"]
    assert reading.fields["author"].verbatim == sample_readings[turned["file"]].fields["author"].verbatim
    assert adapter.read(prepared(path, 0), TASK).rotation == 0


def test_regions_are_of_the_upright_card(sample_readings: dict[str, Reading]) -> None:
    """The author stands in the upper left, also on the card that was scanned on its side."""
    for card in samples():
        for region in sample_readings[card["file"]].fields["author"].regions:
            assert 0.05 < region.x < 0.4
            assert 0.1 < region.y < 0.3
            assert region.height < region.width


def test_a_file_that_is_no_image_is_unreadable(adapter: LocalAdapter, tmp_path: Path) -> None:
    (tmp_path / "card.jpg").write_bytes(b"no image")
    with pytest.raises(UnreadableImage):
        adapter.read(prepared(tmp_path / "card.jpg"), TASK)


def test_a_tiny_image_is_a_card_without_text(adapter: LocalAdapter, tmp_path: Path) -> None:
    Image.new("L", (1, 1)).save(tmp_path / "card.png")
    task = ReadTask((FieldSpec("title", "Title", required=True),))
    assert adapter.read(prepared(tmp_path / "card.png"), task).fields["title"].state == ValueState.ABSENT


def test_two_threads_read_what_one_reads(adapter: LocalAdapter, sample_readings: dict[str, Reading]) -> None:
    alone = pipeline.read(prepared(SAMPLES / "music-01.jpg"), TASK, adapter)
    assert alone == sample_readings["music-01.jpg"]
