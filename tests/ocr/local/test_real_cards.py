from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks import accuracy
from benchmarks.accuracy import Score
from ocr.reading import Reading, ValueState

pytestmark = pytest.mark.cards


def show(config: pytest.Config, text: str) -> None:
    """In the terminal, whether the test passes or not: the figures are wanted."""
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        config.pluginmanager.getplugin("terminalreporter").write(f"\n{text}\n")


@pytest.fixture(scope="session")
def scores(
    pytestconfig: pytest.Config, cards_folder: Path, museum_readings: Mapping[str, Reading]
) -> Mapping[str, Score]:
    cards = accuracy.truth(cards_folder, "gbif")
    found = {spec.key: accuracy.score(spec, cards, museum_readings) for spec in accuracy.specs()}
    show(pytestconfig, accuracy.table(found))
    return found


def test_what_is_typed_plainly_is_read_right(scores: Mapping[str, Score]) -> None:
    assert accuracy.together(scores, accuracy.FIRM).share >= 0.90


def test_what_is_written_in_many_ways_is_read_right_as_often_as_not(scores: Mapping[str, Score]) -> None:
    assert accuracy.together(scores, accuracy.LOOSE).share >= 0.50


def test_hardly_anything_is_invented(scores: Mapping[str, Score]) -> None:
    assert accuracy.together(scores, scores).invented <= 1


def test_24_cards_are_turned_upright(
    pytestconfig: pytest.Config,
    cards_folder: Path,
    museum_readings: Mapping[str, Reading],
    other_rotations: Mapping[str, int | None],
) -> None:
    wanted = {card["file"]: card["rotate_cw_to_upright"] for card in accuracy.truth(cards_folder)}
    found = {file: reading.rotation for file, reading in museum_readings.items()} | dict(other_rotations)
    show(pytestconfig, f"turned upright: {sum(found[file] == wanted[file] for file in found)} of {len(found)}")
    assert len(found) == 24
    assert found == {file: wanted[file] for file in found}


def test_every_value_names_its_place_on_the_upright_card(museum_readings: Mapping[str, Reading]) -> None:
    for reading in museum_readings.values():
        for field in reading.fields.values():
            assert bool(field.regions) == (field.state == ValueState.VALUE)
            for region in field.regions:
                assert 0 <= region.x < region.x + region.width <= 1.000001
                assert 0 <= region.y < region.y + region.height <= 1.000001


def test_the_card_number_stands_top_left(museum_readings: Mapping[str, Reading]) -> None:
    region = museum_readings["gbif_01.png"].fields["card_number"].regions[0]
    assert region.x < 0.1
    assert region.y < 0.25


def test_the_whole_card_is_transcribed(museum_readings: Mapping[str, Reading]) -> None:
    lines = museum_readings["gbif_18.png"].transcription.splitlines()
    assert lines[:3] == ["1796", "Nordsjøen", "Norddeich"]
    assert lines[-1] == "Raskrens 20-9-79"


def test_confidence_is_that_of_the_line_lowered_by_the_way_it_was_found(museum_readings: Mapping[str, Reading]) -> None:
    given = [field.confidence for reading in museum_readings.values() for field in reading.fields.values()]
    assert all(0 < confidence <= 0.95 for confidence in given if confidence is not None)
