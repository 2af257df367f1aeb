"""Run by `build` with the code of an earlier release: a site at work, killed in mid-batch, in the form of a backup.

What stands here may use of that release what `build` was last called with, and is no part of the tests' own imports.
"""

import hashlib
import io
import json
import os
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import django
from django.utils import timezone

READ, RUNNING, DRAFT = 4, 10, 2  # cards of each batch
SIZE = (80, 60)


def main(target: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "cardocr_site.settings"
    django.setup()
    from django.core.management import call_command

    from tests import vlm_server

    with vlm_server.running(delay=0.1) as server:
        os.environ["CARDOCR_VLM_URL"] = server.url
        django.conf.settings.VLM_URL, django.conf.settings.VLM_MODEL = server.url, "test-model"
        call_command("prepare_database", verbosity=0)
        people()
        checked(server)
        cut_short(server)
        batch_of("Drawer 14", 200, DRAFT, start=False)
    pack(Path(target))


def people() -> None:
    from cardocr_site.accounts.models import User

    User.objects.create_user("ingrid", password="ingrid-and-her-cards")
    User.objects.create_user("left", password="left-and-closed-since", is_active=False)


def batch_of(name: str, first: int, number: int, *, start: bool = True) -> Any:
    from batches.actions import runs
    from batches.intake import adding
    from batches.models import Batch
    from cardocr_site.accounts.models import User
    from ocr.models import Engine
    from tests import vlm_server
    from tests.conftest import FIELDS

    owner, engine = User.objects.get(username="admin"), Engine.objects.get(is_default=True)
    batch = Batch.objects.create(
        name=name, collection="Music", owner=owner, engine=engine, fields=FIELDS, options={"rotation": 0}
    )
    for card in range(first, first + number):  # no two scans alike: none is taken over
        adding.add_file(batch, f"{card}.jpg", [vlm_server.card_image(card, SIZE)])
    if start:
        runs.start(batch, owner)
    return batch


def checked(server: Any) -> None:
    """A batch that was read, with a corrected card, a checked one, and two as they came."""
    from batches.actions import cards
    from batches.drain.engines import Engines
    from batches.drain.service import Service
    from tests.waiting import until

    batch = batch_of("Drawer 12", 0, READ)
    service = Service(threads=4, engines=Engines())
    service.wake(batch.pk)
    until(lambda: type(batch).objects.get(pk=batch.pk).status == "completed", 60)
    service.stop()
    first, second = batch.cards.select_related("result").order_by("position")[:2]
    cards.correct(first, batch.owner, first.version, {"author": "Mozart, by hand: Köchel"})
    cards.mark_reviewed(second, batch.owner, second.version, reviewed=True)


def cut_short(server: Any) -> None:
    """A batch that a consumer was reading when it was killed: cards read, cards at the endpoint, cards that wait."""
    from tests.waiting import until

    batch = batch_of("Drawer 13", 100, RUNNING)
    now = type(batch).objects.filter(pk=batch.pk)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_huey"], env={**os.environ, "CARDOCR_THREADS": "2"}, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: now.get().completed >= 3, 60)
        server.delay = 30.0
        until(lambda: now.get().processing == 2, 60)
    finally:
        process.kill()
        process.wait()


def pack(target: Path) -> None:
    from django.conf import settings

    from batches.intake import store
    from batches.models import Batch
    from cardocr_site import __version__

    copy = target.with_suffix(".database")
    copy.unlink(missing_ok=True)
    with closing(sqlite3.connect(settings.DATABASES["default"]["NAME"])) as database:
        database.execute("UPDATE batches_worker SET host = 'reader.example.org'")  # nobody knows the machine it died on
        database.commit()
        database.execute("VACUUM INTO ?", [str(copy)])
    batches = list(Batch.objects.order_by("pk"))
    files = size = 0
    with tarfile.open(target, "w") as tar:

        def add(name: str, data: bytes) -> str:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = len(data), 0o600, int(timezone.now().timestamp())
            tar.addfile(info, io.BytesIO(data))
            return hashlib.sha256(data).hexdigest()

        about = {"form": 1, "version": __version__, "made_at": timezone.now().isoformat(), "batches": len(batches)}
        add("about.json", json.dumps(about).encode())
        database_sum = add("database.sqlite3", copy.read_bytes())
        for batch in batches:
            sums = {}
            folder = store.folder(batch)
            for path in sorted(folder.rglob("*")):
                if path.is_file() and path.suffix != ".part":
                    name = path.relative_to(folder).as_posix()
                    sums[name] = add(f"files/{batch.uid}/{name}", path.read_bytes())
                    size += path.stat().st_size
            files += len(sums)
            add(f"sums/{batch.uid}.json", json.dumps(sums).encode())
        end = {"batches": len(batches), "files": files, "bytes": size, "database": database_sum}
        add("end.json", json.dumps(end).encode())
    copy.unlink()


if __name__ == "__main__":
    main(sys.argv[1])
