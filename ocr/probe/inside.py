"""The probe of the engine that runs on this machine: its models load, and a drawn card is read."""

import os
import tempfile
import time
from contextlib import closing
from pathlib import Path

from ocr import engines, pipeline
from ocr.engines.base import EngineConfig, Prepared
from ocr.errors import ExtractionError
from ocr.probe import drawn
from ocr.probe.findings import Check, Finding, Report, State

WIDTH = 1600


def run(config: EngineConfig) -> Report:
    try:
        adapter = engines.build(config)
    except ExtractionError as error:
        missing = Finding(Check.REACHED, State.FAILED, "no_models", {"said": error.message})
        return Report((missing, Finding(Check.IMAGES, State.NOT_ASKED, "depends")))
    loaded = Finding(Check.REACHED, State.OK, "models_loaded")
    with closing(adapter), tempfile.TemporaryDirectory(prefix="cardocr-probe-") as folder:
        card = drawn.card(WIDTH)
        path = Path(folder) / "card.jpg"
        path.write_bytes(card.jpeg)
        image = Prepared(path, "image/jpeg", card.width, card.height, rotation=0)
        begun = time.monotonic()
        try:
            reading = pipeline.read(image, drawn.TASK, adapter)
        except ExtractionError as error:
            return Report((loaded, Finding(Check.IMAGES, State.FAILED, "not_read", {"said": error.message})))
        seconds = time.monotonic() - begun
    read = reading.fields["code"].verbatim
    seen = drawn.is_seen(card.code, read)
    facts = {"drawn": card.code, "read": (read or "")[:80]}
    images = Finding(Check.IMAGES, State.OK, "seen") if seen else Finding(Check.IMAGES, State.FAILED, "misread", facts)
    pace = Finding(Check.PACE, State.OK, "alone", {"seconds": round(seconds, 2)})
    together = Finding(Check.TOGETHER, State.OK, "cores", {"calls": os.cpu_count() or 1})
    # Its seconds are told, not counted on: a card of an archive has more lines than the drawn one.
    return Report((loaded, images, pace, together), together=os.cpu_count() or 1, calls=1)
