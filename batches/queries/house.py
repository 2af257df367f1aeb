"""Cards that must not leave the house."""

from django.utils.translation import gettext as _

from batches.models import Batch
from ocr.models import Engine


def refusal(batch: Batch, engine: Engine | None) -> str:
    """Why this engine may not see the batch's cards, in a sentence; empty: it may."""
    if engine is None or engine.place != Engine.Place.OUTSIDE or not batch.option("stay_inside"):
        return ""
    return _("These cards must not leave the house, and “%(name)s” is outside. Nothing is sent there.") % {
        "name": engine.name
    }
