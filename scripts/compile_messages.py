"""Compiles locale/*/LC_MESSAGES/*.po, without gettext's own tools; fuzzy entries are left out."""

from pathlib import Path

import polib

LOCALE = Path(__file__).resolve().parent.parent / "locale"

for path in sorted(LOCALE.glob("*/LC_MESSAGES/*.po")):
    catalogue = polib.pofile(str(path))
    for name in ("POT-Creation-Date", "PO-Revision-Date", "Last-Translator", "Language-Team", "Report-Msgid-Bugs-To"):
        catalogue.metadata.pop(name, None)
    catalogue.header = ""
    catalogue.save(str(path))
    catalogue.save_as_mofile(str(path.with_suffix(".mo")))
    print(f"{path.parent.parent.name}: {len(catalogue.translated_entries())} of {len(catalogue)} translated")
