"""Runs in a process of its own on a site's data folder: `python -m tests.processes.driver make 60`."""

import os
import sys

import django


def make(number: str, first: str = "0", deadly: str = "") -> None:
    """A started batch of the administrator's, read by the default engine; prints its id.

    The card of this number, if one is named, is called deadly.
    """
    from batches.actions import runs
    from batches.intake import adding
    from batches.models import Batch
    from cardocr_site.accounts.models import User
    from ocr.models import Engine
    from tests import vlm_server
    from tests.conftest import FIELDS

    owner = User.objects.get(username="admin")
    engine = Engine.objects.get(is_default=True)
    batch = Batch.objects.create(name="Drawer 12", owner=owner, engine=engine, fields=FIELDS, options={"rotation": 0})
    for card in range(int(first), int(first) + int(number)):
        name = "deadly" if str(card) == deadly else str(card)
        adding.add_file(batch, f"{name}.jpg", [vlm_server.card_image(card, (160, 120))])
    runs.start(batch, owner)
    sys.stdout.write(f"{batch.pk}\n")


def draft() -> None:
    """An empty draft of the administrator's; prints its id."""
    from batches.models import Batch
    from cardocr_site.accounts.models import User

    batch = Batch.objects.create(name="Drawer 12", owner=User.objects.get(username="admin"), options={"rotation": 0})
    sys.stdout.write(f"{batch.pk}\n")


def poison() -> None:
    """Read with an engine that dies of the card named deadly; ends with its process, or when all is read."""
    from batches.drain.engines import Engines
    from batches.drain.service import Service
    from batches.models import Batch
    from tests.batches.drain.adapters import deadly
    from tests.waiting import until

    service = Service(threads=4, engines=Engines(deadly))
    until(lambda: not Batch.objects.filter(status__in=["queued", "running"]).exists(), 60)
    service.stop()


def reread(pk: str) -> None:
    """The administrator corrects the first three cards of a batch, checks the next three, and has all read again."""
    from batches.actions import cards, rereadings
    from batches.models import Batch
    from batches.queries.rereading import Means

    batch = Batch.objects.select_related("owner", "engine").get(pk=pk)
    for number, card in enumerate(batch.cards.select_related("result").order_by("position")[:6]):
        if number < 3:
            cards.correct(card, batch.owner, card.version, {"author": f"by hand {number}"})
        else:
            cards.mark_reviewed(card, batch.owner, card.version, reviewed=True)
    rereadings.start(batch, batch.owner, batch.cards.all(), Means(batch.engine))


def hush() -> None:
    """No doorbell that was rung is heard any more."""
    from huey.contrib.djhuey import HUEY

    HUEY.flush()


def key(secret: str) -> None:
    """An administrator saves the default engine with another key."""
    from ocr.models import Engine

    engine = Engine.objects.get(is_default=True)
    engine.set_key(secret)
    engine.save()


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "cardocr_site.settings"
    django.setup()
    acts = {"make": make, "draft": draft, "hush": hush, "key": key, "poison": poison, "reread": reread}
    acts[sys.argv[1]](*sys.argv[2:])
