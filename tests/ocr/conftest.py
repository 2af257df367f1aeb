from pathlib import Path

import pytest

from ocr.engines.base import Prepared
from tests import vlm_server


@pytest.fixture
def image(tmp_path: Path) -> Prepared:
    path = tmp_path / "card.jpg"
    path.write_bytes(vlm_server.card_image(7))
    return Prepared(path, "image/jpeg", 600, 400, rotation=90)
