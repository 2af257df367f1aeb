"""The compiled translations are those of the texts, and no placeholder got lost in them."""

import re
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
    def entries(catalogue: polib.POFile | polib.MOFile) -> dict[tuple[str | None, str], object]:
        return {
            (entry.msgctxt, entry.msgid): entry.msgstr_plural or entry.msgstr
            for entry in catalogue
            if entry.translated() and not entry.fuzzy
        }

    compiled = polib.mofile(str(path.with_suffix(".mo")))
    assert entries(compiled) == entries(polib.pofile(str(path))), "run: make messages"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_translations_keep_their_placeholders(path: Path):
    for entry in polib.pofile(str(path)).translated_entries():
        for text in entry.msgstr_plural.values() or [entry.msgstr]:
            wanted = set(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid))
            assert set(PLACEHOLDER.findall(text)) == wanted, f"{entry.msgid!r}: {text!r}"
