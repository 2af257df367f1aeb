"""Styles are collected anew only where they have changed."""

import os
from pathlib import Path
from typing import Any

import pytest

from cardocr_site import statics


@pytest.fixture
def styles(settings: Any, tmp_path: Path) -> Path:
    """One sheet, and nobody else's."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "app.css").write_text("a {}")
    settings.STATICFILES_DIRS = [tmp_path / "ours"]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATIC_ROOT = tmp_path / "static"
    statics.collect()
    return tmp_path


def served(styles: Path) -> str:
    return (styles / "static" / "app.css").read_text()


def change(styles: Path, text: str, seconds: int) -> None:
    """Django compares full seconds."""
    sheet = styles / "ours" / "app.css"
    at = sheet.stat().st_mtime_ns + seconds * 10**9
    sheet.write_text(text)
    os.utime(sheet, ns=(at, at))


def test_what_has_not_changed_is_left_as_it_is(styles: Path) -> None:
    assert served(styles) == "a {}"
    (styles / "static" / "app.css").write_text("as it was")
    statics.collect()
    assert served(styles) == "as it was"


def test_what_has_changed_is_collected(styles: Path) -> None:
    change(styles, "b {}", 5)
    statics.collect()
    assert served(styles) == "b {}"


def test_a_new_address_of_them_is_a_change(styles: Path, settings: Any) -> None:
    (styles / "static" / "app.css").unlink()
    settings.STATIC_URL = "/cards/static/"
    statics.collect()
    assert served(styles) == "a {}"


def test_what_was_interrupted_is_done_again(styles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(styles, "b {}", 5)

    def stopped(*_args: Any, **_options: Any) -> None:
        (styles / "static" / "app.css").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(statics, "call_command", stopped)
        with pytest.raises(KeyboardInterrupt):
            statics.collect()
    change(styles, "a {}", -5)
    statics.collect()
    assert served(styles) == "a {}"
