"""Compiles locale/*/LC_MESSAGES/*.po, without gettext's own tools; fuzzy entries are left out."""

from pathlib import Path

import polib

LOCALE = Path(__file__).resolve().parent.parent / "locale"

for path in sorted(LOCALE.glob("*/LC_MESSAGES/*.po")):
    language = path.parent.parent.name
    catalogue = polib.pofile(str(path), wrapwidth=100)
    catalogue.header = ""
    catalogue.metadata_is_fuzzy = []
    catalogue.metadata = {  # no dates and no names: a catalogue changes when its texts do
        "Project-Id-Version": "cardocr",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": "nplurals=2; plural=(n != 1);",
    }
    catalogue.save(str(path))
    catalogue.save_as_mofile(str(path.with_suffix(".mo")))
    print(f"{language}: {len(catalogue.translated_entries())} of {len(catalogue)} translated")
