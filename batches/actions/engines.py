"""What administrators do with an engine beside its form."""

from functools import partial

from django.db import transaction

from batches import tasks
from cardocr_site.accounts.models import User
from ocr import people
from ocr.models import Engine, Probe


def ask_test(engine: Engine, model: str = "", by: User | None = None, *, own_key: bool = False) -> bool:
    """Ask for a test, done by the consumer. False where one is asked for or going on already.

    It is the engine's own key that is tested, so that others find what the test has found; that of who asks where
    that is meant, or where the engine has none.
    """
    key_of = people.payer(by, engine) if own_key or not engine.has_key else None
    with transaction.atomic():
        _probe, is_new = Probe.objects.get_or_create(engine=engine, defaults={"model": model, "key_of": key_of})
        transaction.on_commit(partial(tasks.probe, engine.pk))
    return is_new
