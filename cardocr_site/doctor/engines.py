"""The test of each engine that is in use."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from batches.drain import probing
from cardocr_site.doctor.told import Told, warning
from ocr import probe_words
from ocr.models import Engine
from ocr.probe.findings import State


def tests(*, calls: bool, only: str) -> Iterator[Told]:
    """What was found is kept, as if the button in the administration had been pressed."""
    engines = Engine.objects.filter(name=only) if only else Engine.objects.filter(enabled=True)
    if not engines:
        yield warning(_("engines"), _("None is in use: no card can be read."), _("Administration, Engines, Add."))
    for engine in engines:
        for finding in probing.examine(engine, calls=calls).findings:
            if finding.state != State.NOT_ASKED:
                about = f"{engine.name}: {probe_words.label(finding)}"
                yield Told(about, finding.state, probe_words.sentence(finding), probe_words.advice(finding))
