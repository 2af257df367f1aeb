"""What the parts of scripts/test.sh have in common, made once: the tables, and a data folder after a first start.

`python -m tests.made FOLDER` makes it. Without it, each run of pytest makes its own.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import Any

VARIABLE = "CARDOCR_TEST_MADE"
TABLES, DATA = "tables.sqlite3", "data"


def folder() -> Path | None:
    return Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def copy(connection: Any) -> None:
    """The tests' database begins as a copy; what it lacks is migrated, as ever."""
    made = folder()
    if made is None or connection.vendor != "sqlite":
        return
    create = connection.creation._create_test_db

    def created(*args: Any, **kwargs: Any) -> str:
        name: str = create(*args, **kwargs)
        shutil.copyfile(made / TABLES, name)
        return name

    connection.creation._create_test_db = created


def make(to: Path) -> None:
    from tests.site import processes

    def first_start() -> None:
        processes.first_start(to / DATA)
        collect = "import django; django.setup(); from cardocr_site import statics; statics.collect()"
        here = processes.environment(to / DATA, DJANGO_SETTINGS_MODULE="cardocr_site.settings")
        subprocess.run([sys.executable, "-c", collect], cwd=processes.ROOT, env=here, check=True)

    data = Thread(target=first_start)
    data.start()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from cardocr_site.statics import MARK

    call_command("migrate", verbosity=0)
    with closing(sqlite3.connect(to / TABLES)) as tables:
        connection.ensure_connection()
        connection.connection.backup(tables)
    data.join()
    if not (to / DATA / "static" / MARK).is_file():
        sys.exit("The data folder was not made.")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
