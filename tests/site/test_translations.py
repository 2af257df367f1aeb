"""The compiled translations are those of the texts, and no placeholder got lost in them."""

import re
from collections.abc import Iterable
from pathlib import Path

import polib
import pytest

ROOT = Path(__file__).resolve().parents[2]
CATALOGUES = sorted((ROOT / "locale").glob("*/LC_MESSAGES/*.po"))
PLACEHOLDER = re.compile(r"%\([a-z_]+\)[sd]|%[sd]|\{[a-z_]*\}|</?[a-z]+[^>]*>")


def test_there_are_two_languages():
    assert [path.parent.parent.name for path in CATALOGUES] == ["de", "en"]


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_the_compiled_file_is_that_of_the_texts(path: Path):
    def texts(entries: Iterable[polib.POEntry | polib.MOEntry]) -> dict[tuple[str | None, str], object]:
        return {(entry.msgctxt, entry.msgid): entry.msgstr_plural or entry.msgstr for entry in entries}

    compiled = polib.mofile(str(path.with_suffix(".mo")))
    assert texts(compiled) == texts(polib.pofile(str(path)).translated_entries()), "run: make messages"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_translations_keep_their_placeholders(path: Path):
    for entry in polib.pofile(str(path)).translated_entries():
        wanted = [set(PLACEHOLDER.findall(text)) for text in (entry.msgid, entry.msgid_plural) if text]
        for text in entry.msgstr_plural.values() or [entry.msgstr]:
            assert set(PLACEHOLDER.findall(text)) in wanted, f"{entry.msgid!r}: {text!r}"
