from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from ocr.models import Engine
from tests import vlm_server


@pytest.fixture
def vlm(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[vlm_server.Server]:
    """The test server as the engine for new batches."""
    with vlm_server.running() as server:
        monkeypatch.setattr(settings, "VLM_URL", server.url)
        monkeypatch.setattr(settings, "TURN_SCANS", "0")  # looking for text on them would be half of the work
        call_command("prepare_database", verbosity=0)
        Engine.objects.update(is_default=False)
        Engine.objects.update_or_create(
            name="stub",
            defaults={
                "kind": Engine.Kind.OPENAI_COMPATIBLE,
                "address": server.url,
                "model": "stub",
                "timeout": 20,
                "is_default": True,
            },
        )
        yield server
    connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder with drawn cards, by the numbers that the test server knows them by."""

    def make(**names: int) -> Path:
        for name, number in names.items():
            path = tmp_path / "drawer" / f"{name.replace('__', '/')}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(vlm_server.card_image(number, kind="PNG"))
        return tmp_path / "drawer"

    return make
