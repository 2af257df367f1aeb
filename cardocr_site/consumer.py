"""The consumer process: huey, which reads the cards. `python -m cardocr_site.consumer`."""

import os
from typing import Any

from cardocr_site import lifeline

NICENESS = 10  # pages are answered first


def run() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cardocr_site.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from cardocr_site import log_lines, upgrades

    log_lines.take_over()
    relax(settings.DATABASES["default"])
    upgrades.exit_from_other()
    call_command("run_huey")


def relax(database: dict[str, Any]) -> None:
    """What the consumer writes last is read again after a power cut; what a person was told is saved is not."""
    options = database["OPTIONS"]
    if "init_command" in options:  # SQLite's
        options["init_command"] = options["init_command"].replace("synchronous=FULL", "synchronous=NORMAL")


if __name__ == "__main__":
    lifeline.hold()
    os.nice(NICENESS)
    run()
