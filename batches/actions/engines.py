"""What administrators do with an engine beside its form."""

from functools import partial

from django.db import transaction

from batches import tasks
from ocr.models import Engine, Probe


def ask_test(engine: Engine, model: str = "") -> bool:
    """Ask for a test, done by the consumer. False where one is asked for or going on already."""
    with transaction.atomic():
        _probe, is_new = Probe.objects.get_or_create(engine=engine, defaults={"model": model})
        transaction.on_commit(partial(tasks.probe, engine.pk))
    return is_new
