"""The real cards are read once for the whole run, two at a time."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import accuracy
from ocr.engines.base import EngineConfig
from ocr.engines.local import LocalAdapter, ocr, reading
from ocr.reading import Reading


@pytest.fixture(scope="session")
def adapter() -> LocalAdapter:
    return LocalAdapter(EngineConfig(kind="local", name="local"))


@pytest.fixture(scope="session")
def museum_readings(cards_folder: Path, adapter: LocalAdapter) -> Mapping[str, Reading]:
    """The 16 museum cards as they are scanned, by file name."""
    cards = accuracy.truth(cards_folder, "gbif")
    return accuracy.read([cards_folder / card["file"] for card in cards], accuracy.specs(), adapter)


@pytest.fixture(scope="session")
def other_rotations(cards_folder: Path) -> Mapping[str, int | None]:
    """The rotation found for four library cards and four typed with stamps, without reading all of them."""
    files = [card["file"] for kind in ("lib", "bl") for card in accuracy.truth(cards_folder, kind)[:4]]

    def one(file: str) -> int | None:
        return reading.find_rotation(ocr.shared(), ocr.load(cards_folder / file))

    with ThreadPoolExecutor(2) as threads:
        return dict(zip(files, threads.map(one, files), strict=True))
